"""The case of a batch that was not put aside, from what the ledger has of it."""

from __future__ import annotations

from setpoint.evidence.case import Case, case_of
from setpoint.evidence.shelf import Shelved
from setpoint.ledger import Ledger
from setpoint.model import QualityReport


def recorded_case(ledger: Ledger, shelved: Shelved) -> tuple[Case, QualityReport] | None:
    """The case and the report of a batch; ``None`` when its run has not judged it, or judged another one since."""
    run_id = ledger.run_of_batch(shelved.batch_id, shelved.policy, shelved.pulled_at)
    found = None if run_id is None else case_of_run(ledger, run_id)
    return found if found is not None and found[0].batch.batch_id == shelved.batch_id else None


def case_of_run(ledger: Ledger, run_id: str) -> tuple[Case, QualityReport] | None:
    """The case and the report of the batch that a run has pulled and judged; ``None`` when it has not."""
    batch, report = ledger.batch_of(run_id), ledger.report_of(run_id)
    if batch is None or report is None or batch.batch_id != report.batch_id:
        return None
    decisions, history = ledger.decisions_of(run_id), ledger.series_history(batch.policy)
    return case_of(None, run_id, batch, report, decisions, report.judged_at, history), report
