"""Imports the heavy libraries once, in the process that forks the tasks.

Airflow imports this module early in every component. A task of the LocalExecutor (or of a Celery worker) is a fork of
that process, so what is imported here costs a task nothing, and its memory is shared until somebody writes to it.
Without, each task imports Great Expectations (4 s) and pandas (0.5 s) anew.

``SETPOINT_PRELOAD=0`` turns it off.
"""

import os as _os
import sys as _sys

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

_OURS = ("setpoint", "setpoint_airflow")

_NO_PART_OF_A_TASK = {"cli", "demo", "lab", "stack", "testing", "migrations"}


def _forks_tasks(arguments: list[str]) -> bool:
    """Whether this is ``airflow scheduler`` or ``airflow celery worker``."""
    return arguments[1:2] == ["scheduler"] or arguments[1:3] == ["celery", "worker"]


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


def _preload() -> None:
    import importlib
    import importlib.util
    import logging

    log = logging.getLogger("setpoint.preload")
    names = list(_LIBRARIES)
    for package in _OURS:
        if (found := importlib.util.find_spec(package)) is None:
            log.warning("%s is not on PYTHONPATH, so every Setpoint task will fail; add include/ to it", package)
            continue
        names += _modules_of(package, list(found.submodule_search_locations or ()))
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            # The boundary of the scheduler's process: one broken module must not stop every Dag. The task that needs
            # it imports it again, fails, and says so where the user looks.
            log.warning("%s cannot be imported, so tasks that use it will fail", name, exc_info=True)
    try:
        _warm()
    except Exception:
        log.warning("warming up failed; tasks work, and take longer", exc_info=True)  # the same boundary


def _warm() -> None:
    """Do once what would be done again by the first use in every task."""
    from airflow.models import import_all_models
    from airflow.plugins_manager import ensure_plugins_loaded
    from sqlalchemy.orm import configure_mappers

    from setpoint_airflow.providers import warm_up

    # Else the ledger's first query in each task does this: an SQLAlchemy query configures every mapper in the process,
    # and Airflow imports all its models then (measured: 0.6 s).
    import_all_models()
    configure_mappers()
    # Each task looks for plugins first.
    ensure_plugins_loaded()
    # Reads botocore's descriptions of the services. No credentials are looked for, and nothing is sent.
    warm_up()


if _forks_tasks(_sys.argv) and _os.environ.get("SETPOINT_PRELOAD", "1") != "0":
    _preload()
