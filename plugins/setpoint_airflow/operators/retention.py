"""The step of ``setpoint.reconcile`` that keeps the disk from filling up."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context

from setpoint.settings import load_settings
from setpoint.sources.batches import BatchStore
from setpoint.sources.retention import load_retention, prune_if_due
from setpoint_airflow.runtime import utc_now


class PruneBatchesOperator(BaseOperator):
    """Delete metric batches past their retention: once an hour, and a bounded number in each run."""

    def execute(self, context: Context) -> str:
        told = prune_if_due(BatchStore(load_settings().data / "batches"), load_retention(), utc_now())
        if told is None:
            return "looked through within the last hour"
        log = self.log.warning if told.over_bytes else self.log.info
        log(told.text)
        return told.text
