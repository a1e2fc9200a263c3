"""Whether this Python environment is whole enough to start Airflow."""

from importlib import metadata

from setpoint.stack.errors import BrokenEnvironmentError

NEEDED = {
    "apache-airflow-core": "3.3.2",
    "apache-airflow-providers-amazon": "9.39.0",
    "aiobotocore": None,
    "great-expectations": None,
    "pandas": None,
    "SQLAlchemy": None,
    "uvicorn": None,
}
"""Distributions without which a component dies at start, or every task does; a version where it must be that one."""


def require_whole_environment() -> None:
    """Look at what is installed, without importing it.

    :raises BrokenEnvironmentError: naming everything that is missing or of another version.
    """
    problems = []
    for name, wanted in NEEDED.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed")
            continue
        if wanted is not None and found != wanted:
            problems.append(f"{name} is {found}; this project is built for {wanted}")
    if problems:
        raise BrokenEnvironmentError(problems)
