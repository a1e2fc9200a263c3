"""The ledger the command line reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from setpoint.cli.output import CommandError, ExitCode
from setpoint.cli.quiet import quiet_airflow

if TYPE_CHECKING:
    from setpoint.ledger import Ledger

_SQLITE = "sqlite:///"


def ledger_url() -> str:
    """Where the ledger is: ``SETPOINT_LEDGER_URL``, else Airflow's connection ``setpoint_ledger``, else SQLite."""
    from setpoint.settings import load_settings

    settings = load_settings()
    if not settings.ledger_is_default or not _airflow_may_know_another():
        return settings.ledger_url
    # Airflow takes seconds to import, so it is only asked where it has something to say.
    quiet_airflow()
    from setpoint_airflow.ledger import ledger_url as airflow_ledger_url

    return airflow_ledger_url()


def _airflow_may_know_another() -> bool:
    return "AIRFLOW_CONN_SETPOINT_LEDGER" in os.environ or any(
        name.startswith(("AIRFLOW__SECRETS__", "AIRFLOW__DATABASE__")) for name in os.environ
    )


@contextmanager
def reading_ledger() -> Iterator[Ledger]:
    """The ledger, for reading. Unlike a run, looking makes no ledger where there is none.

    :raises CommandError: there is no ledger yet.
    """
    url = ledger_url()
    if is_missing(url):
        raise CommandError(
            f"there is no ledger at {url.removeprefix(_SQLITE)} yet: the first run makes it. If yours is elsewhere, "
            "set SETPOINT_LEDGER_URL (or SETPOINT_DATA)",
            ExitCode.ENVIRONMENT,
        )
    from setpoint.ledger import Ledger

    with Ledger.open(url) as ledger:
        yield ledger


def is_missing(url: str) -> bool:
    """Whether the URL is that of an SQLite file that does not exist."""
    return url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE).partition("?")[0]).exists()
