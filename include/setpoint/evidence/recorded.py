"""The case of a batch that was not put aside, from what the ledger has of it."""

from __future__ import annotations

from setpoint.evidence.case import Case, case_of
from setpoint.evidence.shelf import Shelved
from setpoint.ledger import Ledger
from setpoint.model import QualityReport


def recorded_case(ledger: Ledger, shelved: Shelved) -> tuple[Case, QualityReport] | None:
    """The case and the report of a batch; ``None`` when its run has not judged it, or judged another one since."""
    run_id = ledger.run_of_batch(shelved.batch_id, shelved.policy, shelved.pulled_at)
    if run_id is None:
        return None
    batch, report = ledger.batch_of(run_id), ledger.report_of(run_id)
    if batch is None or report is None or {batch.batch_id, report.batch_id} != {shelved.batch_id}:
        return None
    decisions, history = ledger.decisions_of(run_id), ledger.series_history(shelved.policy)
    return case_of(None, run_id, batch, report, decisions, report.judged_at, history), report
