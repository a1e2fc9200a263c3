"""The link from a task to the page of its run's batch."""

from __future__ import annotations

from typing import Any

from airflow.configuration import conf
from airflow.sdk import BaseOperatorLink

from setpoint.evidence.address import run_page_path


def _called(name: str, module: str) -> type:
    """Stands for an operator's class: Airflow compares the two names and nothing else.

    The class itself would be imported by every component that loads the plugin, with the policies' schema and the
    ledger behind it.
    """
    return type(name, (), {"__module__": module})


class BatchPageLink(BaseOperatorLink):
    """The page with the verdict on the run's batch, its plots and Data Docs.

    Made in the API server when somebody looks at the task, because of ``operators``: no task has to store it on the way
    to its decision.
    """

    name = "Batch page"
    operators = (
        _called("ValidateBatchOperator", "setpoint_airflow.operators.evaluate"),
        _called("QuarantineOperator", "setpoint_airflow.operators.record"),
    )

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address; the page finds the batch by the run."""
        base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
        return base + run_page_path(ti_key.dag_id, ti_key.run_id)
