"""MetricBatch, QualityReport, Signal: pull, validate, aggregate, for the whole fleet at once."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context

from setpoint.model import MetricBatch, QualityReport, Verdict
from setpoint.steps.consequences import judge_and_remember
from setpoint.steps.evaluate import aggregate_batch
from setpoint.steps.intake import taken_in
from setpoint.steps.outage import pull_through_outage
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.quality_stats import tell_quality
from setpoint_airflow.runtime import Runtime, utc_now


class PullMetricsOperator(PolicyOperator):
    """Find the fleet, pull every metric of every target, keep the batch, and record a reference to it.

    The tasks that follow read the reference from the ledger: of a large fleet it is megabytes, and the ledger has it
    anyway. What is returned is for people.
    """

    ui_color = "#e0f2fe"

    def execute(self, context: Context) -> dict[str, Any]:
        with self.runtime(context) as run:
            targets = run.reader.find(run.policy.targets)
            if late := run.ledger.join_events(run.run_id, run.policy.name, utc_now()):
                self.log.info("%d events came since the run began, and join it", len(late))
            batch = pull_through_outage(
                run.policy,
                targets,
                run_id=run.run_id,
                sources=run.sources,
                store=run.store,
                ledger=run.ledger,
                now=utc_now(),
                last_try=context["ti"].try_number > context["ti"].max_tries,
                asked=_asked(run),
            )
            run.ledger.record("batch", batch, run_id=run.run_id, policy=run.policy.name)
            self.log.info("Pulled %d points of %d series for %d targets", batch.rows, len(batch.series), len(targets))
        return {
            "batch": batch.batch_id,
            "uri": batch.uri,
            "rows": batch.rows,
            "targets": len(targets),
            "series": len(batch.series),
        }


def _asked(run: Runtime) -> bool:
    """Whether the run is about a capacity that somebody asks for."""
    request = taken_in(run.ledger, run.run_id).request
    return request is not None and request.wants_capacity


class ValidateBatchOperator(PolicyOperator):
    """Let Great Expectations judge the batch. A bad batch is a verdict, not a failed task."""

    ui_color = "#ede9fe"

    def execute(self, context: Context) -> dict[str, Any]:
        with self.runtime(context) as run:
            batch = pulled_batch(run)
            report = judge_and_remember(
                run.policy, run.run_id, batch, store=run.store, ledger=run.ledger, now=utc_now()
            )
        tell_quality(report)
        for line in _broken(report):
            self.log.warning(line)
        self.log.info("Verdict %s: %d series in %.3f s", report.verdict.value, len(report.series), report.seconds)
        return {
            "batch": report.batch_id,
            "verdict": report.verdict.value,
            "suite": report.suite,
            "broken": _broken(report)[:20],
        }


class AggregateOperator(PolicyOperator):
    """Aggregate the batch into signals with pandas."""

    ui_color = "#ede9fe"

    def execute(self, context: Context) -> dict[str, Any]:
        with self.runtime(context) as run:
            signals = aggregate_batch(run.policy, pulled_batch(run), store=run.store)
            run.ledger.record_many(
                "signal", [(one.target, one) for one in signals], run_id=run.run_id, policy=self.policy
            )
        return {
            "signals": len(signals),
            "values": {f"{one.target} {one.metric} {one.aggregate}": one.value for one in signals[:50]},
        }


def pulled_batch(run: Runtime) -> MetricBatch:
    """The reference to the batch the run has pulled.

    :raises LookupError: it has pulled none.
    """
    batch = run.ledger.batch_of(run.run_id)
    if batch is None:
        raise LookupError(f"{run.run_id}: no batch is recorded; clear pull_metrics and what follows it")
    return batch


def _broken(report: QualityReport) -> list[str]:
    """Each broken expectation, one line, worst first."""
    lines = list(report.frame_problems)
    for one in sorted(report.series, key=lambda series: -series.verdict.severity):
        if one.verdict is not Verdict.PASS:
            lines += [
                f"{one.target} {one.metric}: {check.expectation}: {check.observed}; allowed {check.allowed}"
                for check in one.broken
            ]
    return lines
