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
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "great_expectations",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "boto3",
    "botocore.loaders",
    "botocore.client",
    "botocore.parsers",
)


def _forks_tasks(arguments: list[str]) -> bool:
    """Whether this is ``airflow scheduler`` or ``airflow celery worker``."""
    return arguments[1:2] == ["scheduler"] or arguments[1:3] == ["celery", "worker"]


def _preload() -> None:
    import importlib
    import logging

    log = logging.getLogger("setpoint.preload")
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            # The task that needs it will fail and say so where the user looks; the scheduler has other work to do.
            log.warning("%s cannot be imported, so tasks that use it will fail", name, exc_info=True)


if _forks_tasks(_sys.argv) and _os.environ.get("SETPOINT_PRELOAD", "1") != "0":
    _preload()
