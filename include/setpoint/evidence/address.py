"""Where a batch's page is on Airflow's API server. Imports nothing: every component of Airflow loads it."""

from __future__ import annotations

from urllib.parse import quote

PREFIX = "/setpoint/batches"
"""Where Airflow's API server has the pages."""


def page_path(policy: str, batch_id: str) -> str:
    """The path of a batch's page."""
    return f"{PREFIX}/setpoint.{quote(policy, safe='')}/{quote(batch_id, safe='')}"


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
