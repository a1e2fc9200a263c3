"""Is the pool there whose slots bound how many tasks change something at once?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from setpoint.cli.checks.result import CheckResult, fail, ok, warn

_ALWAYS_THERE = "default_pool"
_SLOTS = 8


def check_change_pool() -> Iterator[CheckResult]:
    """Look for the pool of ``SETPOINT_CHANGE_POOL`` in Airflow's database. Of Airflow's own pool nothing is said."""
    from setpoint.settings import load_settings

    name = load_settings().change_pool
    if name == _ALWAYS_THERE:
        return
    check = f"airflow pool {name}"
    make = f"airflow pools set {shlex.quote(name)} {_SLOTS} 'Changes'"
    try:
        slots = _slots(name)
    except LookupError:
        text = "it does not exist, and SETPOINT_CHANGE_POOL names it: tasks that change something never start"
        yield fail(check, text, make)
    except OSError as error:
        todo = "run setpoint doctor where Airflow's database can be read, or look with: airflow pools list"
        yield warn(check, f"not looked for: {error}", todo)
    else:
        if slots == 0:
            yield fail(check, "it has no slots: tasks that change something never start", make)
        else:
            # Below zero is Airflow's word for no limit.
            yield ok(check, f"{slots} changes at once" if slots > 0 else "without limit")


def _slots(name: str) -> int:
    """How many slots a pool has.

    :raises LookupError: Airflow has no such pool.
    :raises OSError: Airflow's database cannot be read.
    """
    from airflow.models.pool import Pool
    from sqlalchemy.exc import SQLAlchemyError

    try:
        found = Pool.get_pool(name)
    except SQLAlchemyError as error:
        raise OSError(f"Airflow's database does not answer ({type(error).__name__})") from error
    if found is None:
        raise LookupError(name)
    return int(found.slots)
