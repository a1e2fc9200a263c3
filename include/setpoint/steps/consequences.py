"""What a batch's verdict means for the batches before and after it: failures in a row, and incidents of the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from setpoint.guards.trust import fleet_trust, source_problem
from setpoint.ledger import Ledger
from setpoint.model import Completeness, MetricBatch, QualityReport, Verdict
from setpoint.model.base import Value
from setpoint.model.streak import Incident, Streak, count_batch
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore


class Consequences(Value):
    """What the ledger knows after one more batch."""

    streaks: dict[str, Streak]
    """By target: failed batches in a row, this one included."""
    incident: Incident | None = None
    """The incident this batch is part of, or that it closed."""


def judge_and_remember(
    policy: Policy, run_id: str, batch: MetricBatch, *, store: BatchStore, ledger: Ledger, now: datetime
) -> QualityReport:
    """Let the gate judge a batch by what its series usually are, record the report, and remember what was accepted.

    Nothing is remembered of a batch whose source is broken, also not of the series that passed. Safe to do again: the
    same batch adds nothing to what is remembered.
    """
    # Imported here, because the Dag files reach this module and none of pandas may be imported when they are parsed.
    from setpoint.quality.judge import judge_fleet

    judged = judge_fleet(store, batch, policy, now, ledger.series_history(policy.name))
    ledger.record("report", judged.report, run_id=run_id, policy=policy.name)
    if not judged.report.source_broken:
        ledger.keep_series_history(policy.name, judged.history)
    return judged.report


def failed_targets(policy: Policy, report: QualityReport, targets: Sequence[str]) -> dict[str, bool]:
    """Of each target, whether the gate failed the data that decides about it; a broken source fails them all."""
    trusted = fleet_trust(report, policy.deciding_metrics(), targets)
    return {target: trust.verdict is Verdict.FAIL for target, trust in trusted.items()}


def remember_verdict(
    policy: Policy, run_id: str, batch: MetricBatch, report: QualityReport, ledger: Ledger
) -> Consequences:
    """Count a batch for each of its targets, and open, continue or close the incident of its source.

    Safe to do again: the same batch counts once, and opens one incident.
    """
    failed = failed_targets(policy, report, batch.targets)
    streaks = ledger.count_batch(policy.name, failed, batch.window.end)
    trouble = source_problem(report) or unanswered(policy, batch)
    incident = ledger.note_source(policy.name, run_id, batch.window.end, trouble or None)
    if incident is not None:
        ledger.record("incident", incident, run_id=run_id, policy=policy.name)
    return Consequences(streaks=streaks, incident=incident)


def unanswered(policy: Policy, batch: MetricBatch) -> str:
    """The deciding metrics that no target got an answer for, with the source's own word; empty when there is none."""
    told = []
    for metric in policy.deciding_metrics():
        series = [one for one in batch.series if one.metric == metric]
        if series and all(one.status is Completeness.ERROR and not one.points for one in series):
            words = "; ".join(series[0].messages) or "without a word"
            told.append(
                f"{metric}: {policy.metrics[metric].source} answered for none of {len(series)} targets: {words}"
            )
    return "; ".join(told)


def streaks_after(
    policy: Policy, batch: MetricBatch, report: QualityReport, known: Mapping[str, Streak], now: datetime
) -> dict[str, Streak]:
    """The streaks as they would be after a batch; nothing is recorded.

    :param known: the streaks before it, as the ledger has them.
    """
    failed = failed_targets(policy, report, batch.targets)
    return {
        target: count_batch(known.get(target), target, failed=one, window_end=batch.window.end, now=now)
        for target, one in failed.items()
    }
