"""Where a batch's page is on Airflow's API server. Imports nothing large: every component of Airflow loads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

PREFIX = "/setpoint/batches"
"""Where Airflow's API server has the pages."""


def page_path(policy: str, batch_id: str) -> str:
    """The path of a batch's page."""
    return f"{PREFIX}/setpoint.{quote(policy, safe='')}/{quote(batch_id, safe='')}"


def page_url(policy: str, batch_id: str, environment: Mapping[str, str] | None = None) -> str:
    """The address of a batch's page, for people at a terminal; its path alone where nothing says the API server's.

    :param environment: the variables to read ``AIRFLOW__API__BASE_URL`` from; ``os.environ`` by default.
    """
    base = (os.environ if environment is None else environment).get("AIRFLOW__API__BASE_URL", "")
    return base.rstrip("/") + page_path(policy, batch_id)


def run_page_path(dag_id: str, run_id: str) -> str:
    """The path that leads to the page of the batch a run has pulled.

    :param run_id: as Airflow names it.
    """
    return f"{PREFIX}/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def dag_from_page(policy: str) -> str:
    """From a batch's page to its policy's Dag; relative, because a proxy may have Airflow below a path of its own."""
    return f"../../../dags/setpoint.{quote(policy, safe='')}"


def run_from_page(policy: str, run_id: str) -> str:
    """From a batch's page to its run.

    :param run_id: as Airflow names it.
    """
    return f"{dag_from_page(policy)}/runs/{quote(run_id, safe='')}"
