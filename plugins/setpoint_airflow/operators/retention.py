"""The step of ``setpoint.reconcile`` that keeps the disk from filling up."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context

from setpoint.settings import load_settings
from setpoint.sources.batches import BatchStore
from setpoint.sources.retention import AT_MOST, load_retention, prune_if_due
from setpoint_airflow.ledger import open_ledger
from setpoint_airflow.runtime import utc_now


class PruneBatchesOperator(BaseOperator):
    """Delete metric batches past their retention, and what the ledger remembers of series and targets that are gone.

    Once an hour, and a bounded number in each run.
    """

    def execute(self, context: Context) -> str:
        retention, now = load_retention(), utc_now()
        told = prune_if_due(BatchStore(load_settings().data / "batches"), retention, now)
        if told is None:
            return "looked through within the last hour"
        words = told.text
        with open_ledger() as ledger:
            forgotten = ledger.forget_memories(now - retention.memories, AT_MOST)
        if forgotten:
            words += f"; {forgotten} memories of series and targets that are gone deleted"
        log = self.log.warning if told.over_bytes else self.log.info
        log(words)
        return words
