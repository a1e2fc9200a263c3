"""Airflow's own log lines, kept out of a command's answer."""

from __future__ import annotations

import os


def quiet_airflow() -> None:
    """Let Airflow, and what logs through it, only speak of errors. To be called before Airflow is imported.

    Airflow writes every line from ``INFO`` on to standard error as soon as it is imported, several hundred of them when
    Great Expectations is imported after it. ``AIRFLOW__LOGGING__LOGGING_LEVEL`` still decides where somebody set it.
    """
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
