"""Putting a run's batch aside, with its case and its page."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple

from setpoint.evidence.address import page_path
from setpoint.evidence.case import Case, case_of, put_aside
from setpoint.model import MetricBatch, QualityReport
from setpoint_airflow.runtime import Runtime


class Aside(NamedTuple):
    """A batch in quarantine."""

    batch_id: str
    report: str
    """The path of the report; the batch and its case lie beside it."""
    page: str
    """The page's path on Airflow's API server."""


def quarantine(run: Runtime, batch: MetricBatch, report: QualityReport, now: datetime, log: logging.Logger) -> Aside:
    """Put a batch aside, and build its page. Doing it twice changes nothing.

    :raises BatchError: it cannot be put aside.
    """
    decisions, history = run.ledger.decisions_of(run.run_id), run.ledger.series_history(run.policy.name)
    case = case_of(run.policy, run.run_id, batch, report, decisions, now, history)
    path = put_aside(run.store, case, report)
    _build_page(run, case, report, log)
    return Aside(batch.batch_id, path, page_path(run.policy.name, batch.batch_id))


def _build_page(run: Runtime, case: Case, report: QualityReport, log: logging.Logger) -> None:
    try:
        from setpoint.evidence.build import build_page, keep_page

        document = build_page(run.store, case, report, run.policy, quarantined=True)
        keep_page(run.store, case.batch, document, quarantined=True)
    except Exception:
        # The border of a page, which draws whatever a batch holds. The batch is aside, and that is what counts: a page
        # that cannot be drawn must not make the run a failed one. The API server tries again when somebody asks for it.
        log.exception("The page of batch %s could not be built", case.batch.batch_id)
