"""Imports the heavy libraries once, in the processes that fork: the tasks, and the parsers of Dag files.

Airflow imports this module early in every component. A task of the LocalExecutor (or of a Celery worker) is a fork of
that process, so what is imported here costs a task nothing, and its memory is shared until somebody writes to it.
Without, each task imports Great Expectations (4 s) and pandas (0.5 s) anew.

The Dag processor forks a parser for each look at each Dag file, every few seconds, also when nothing ever changes.
Without, each look imports Setpoint's operators (0.4 s) and reads every policy file anew.

``SETPOINT_PRELOAD=0`` turns it off.
"""

import logging as _logging
import os as _os
import sys as _sys
from collections.abc import Callable as _Callable
from collections.abc import Iterable as _Iterable

# Airflow copies public names into its settings; there are none.
__all__: list[str] = []

_LIBRARIES = (
    "pandas",
    "pyarrow.parquet",
    "great_expectations",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
    "boto3",
    "botocore.loaders",
    "botocore.parsers",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.amazon.aws.operators.base_aws",
    "airflow.providers.amazon.aws.utils.waiter_with_logging",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.branch",
    "airflow.providers.standard.triggers.temporal",
)

_FOR_PARSERS = (
    "airflow.providers.standard.decorators.python",
    # What serialising a Dag looks for.
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.timetables.assets",
    "airflow.timetables.trigger",
    "setpoint.policy.jsonschema",
    "setpoint_airflow.docs",
    "setpoint_airflow.form",
    "setpoint_airflow.operators.change",
    "setpoint_airflow.operators.decide",
    "setpoint_airflow.operators.evaluate",
    "setpoint_airflow.operators.feedback",
    "setpoint_airflow.operators.intake",
    "setpoint_airflow.operators.reconcile",
    "setpoint_airflow.operators.record",
    "setpoint_airflow.operators.retention",
    "setpoint_airflow.remembered",
)

_OURS = ("setpoint", "setpoint_airflow")

# Pages and webhook are the API server's: 20 MB.
_NO_PART_OF_A_TASK = {"cli", "demo", "lab", "stack", "testing", "migrations", "pages", "webhook"}

# Great Expectations imports them for three expectations that no suite of ours has, 60 MB. Who uses them has them.
_ON_FIRST_USE = ("scipy.stats", "altair")


def _forks_tasks(arguments: list[str]) -> bool:
    """Whether this is ``airflow scheduler`` or ``airflow celery worker``."""
    return arguments[1:2] == ["scheduler"] or arguments[1:3] == ["celery", "worker"]


def _forks_parsers(arguments: list[str]) -> bool:
    """Whether this is ``airflow dag-processor``."""
    return arguments[1:2] == ["dag-processor"]


def _forks_runner(arguments: list[str]) -> bool:
    """Whether this is ``airflow triggerer``."""
    return arguments[1:2] == ["triggerer"]


def _modules_of(package: str, path: list[str]) -> list[str]:
    """Name every module below ``package`` that a task may use, found without importing any."""
    import pkgutil

    names = []
    for module in pkgutil.iter_modules(path):
        if module.name in _NO_PART_OF_A_TASK:
            continue
        names.append(f"{package}.{module.name}")
        if module.ispkg:
            names += _modules_of(names[-1], [_os.path.join(folder, module.name) for folder in path])
    return names


def _for_tasks() -> list[str]:
    """The modules a task may use: the libraries, and all of ours."""
    import importlib.util

    names = list(_LIBRARIES)
    for package in _OURS:
        if (found := importlib.util.find_spec(package)) is None:
            _log().warning("%s is not on PYTHONPATH, so every Setpoint task will fail; add include/ to it", package)
            continue
        names += _modules_of(package, list(found.submodule_search_locations or ()))
    return names


def _log() -> _logging.Logger:
    return _logging.getLogger("setpoint.preload")


def _preload(names: _Iterable[str], warm: _Callable[[], None]) -> None:
    import importlib

    log = _log()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            # The boundary of a component: one broken module must not stop every Dag. The task, or Dag file, that needs
            # it imports it again, fails, and says so where the user looks.
            log.warning("%s cannot be imported, so what uses it will fail", name, exc_info=True)
    try:
        warm()
    except Exception:
        log.warning("warming up failed; everything works, and takes longer", exc_info=True)  # the same boundary


def _put_off(names: _Iterable[str]) -> None:
    """Let modules be loaded when something of them is used."""
    log = _log()
    try:
        from setpoint_airflow.first_use import load_on_first_use

        for name in names:
            load_on_first_use(name)
    except Exception:
        log.warning("everything is loaded at once; it works, and takes more memory", exc_info=True)  # the same boundary


def _warm_tasks() -> None:
    """Do once what would be done again by the first use in every task."""
    from setpoint_airflow.warm import warm_up

    warm_up()


def _warm_parsers() -> None:
    """Read the policies once. A parser finds them read, and reads those again whose files have changed."""
    from airflow.plugins_manager import ensure_plugins_loaded

    from setpoint.policy.loader import load_policies
    from setpoint.settings import load_settings

    ensure_plugins_loaded()
    load_policies(load_settings().policies)


def _freeze() -> None:
    """Keep the garbage collector from writing to what a process is about to share with its fork."""
    import gc

    gc.collect()
    gc.freeze()


if _os.environ.get("SETPOINT_PRELOAD", "1") != "0":
    if _forks_tasks(_sys.argv):
        _put_off(_ON_FIRST_USE)
        _preload(_for_tasks(), _warm_tasks)
    elif _forks_parsers(_sys.argv):
        _preload(_FOR_PARSERS, _warm_parsers)
    elif _forks_runner(_sys.argv):
        # It forks once. 35 MB; of the others the executor and the parsers' short lives take care.
        _os.register_at_fork(before=_freeze)
