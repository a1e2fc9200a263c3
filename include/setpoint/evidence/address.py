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
