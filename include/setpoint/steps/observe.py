"""Outcome: what a change did to health, with the numbers before and after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from setpoint.failpoints import reached
from setpoint.feedback.judge import Measurement, judge_health
from setpoint.ledger import Ledger
from setpoint.model import Change, Outcome, Reason, Verdict
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Source
from setpoint.targets.contract import TargetError, TargetReader


def observation_ends(change: Change, policy: Policy) -> datetime:
    """When a change's health has been watched for the policy's observation window."""
    return (change.settled_at or change.applied_at or change.intended_at) + policy.feedback.after


def observe(
    change: Change,
    *,
    policy: Policy,
    sources: Mapping[str, Source],
    reader: TargetReader,
    store: BatchStore,
    ledger: Ledger,
    now: datetime,
) -> Outcome:
    """Measure health before and after a change, judge it, and record the outcome. The first record stays.

    :raises SourceError: a metric source could not answer; retry, or :func:`record_unjudged`.
    :raises TargetError: the same of the target; or it does not exist any more.
    """
    known = ledger.outcome_of(change.change_id)
    if known is not None:
        return known
    # Not since it was applied: what a crash left is recorded as applied long after the call, and "before" would then be
    # measured on metrics that have the change in them.
    begun = change.intended_at
    before = _measure(change.plan.target, begun, policy, sources, store)
    after = _measure(change.plan.target, now, policy, sources, store)
    outcome = judge_health(
        policy.feedback,
        change=change,
        before=before,
        after=after,
        provider=reader.health(change.plan.target, begun),
        superseded_by=ledger.superseded_by(change.change_id),
        now=now,
    )
    reached("before_outcome", change.plan.policy)
    return ledger.record_outcome(outcome)


def record_unjudged(change: Change, why: Reason, *, policy: Policy, ledger: Ledger, now: datetime) -> Outcome:
    """Record that there is no evidence to judge a change by: ``inconclusive``, and why. The first record stays."""
    outcome = judge_health(
        policy.feedback,
        change=change,
        before={},
        after={},
        provider=None,
        superseded_by=ledger.superseded_by(change.change_id),
        now=now,
    )
    return ledger.record_outcome(outcome.model_copy(update={"reasons": (why, *outcome.reasons)}))


def why_unjudged(change: Change, error: Exception) -> Reason:
    """An error that kept a change's health from being read, as the reason of its outcome."""
    missing = isinstance(error, TargetError) and error.code == "target_missing"
    text = f"{change.plan.target}: health before and after could not be read: {error}"
    return Reason.of("target_missing" if missing else "health_inconclusive", text)


def _measure(
    target: str, until: datetime, policy: Policy, sources: Mapping[str, Source], store: BatchStore
) -> dict[str, Measurement]:
    """Each health metric over one observation window that ends at ``until``; what the gate fails is not measured."""
    # Imported here, because the Dag files reach this module and none of pandas may be imported when they are parsed.
    from setpoint.quality.judge import judge
    from setpoint.signals.aggregate import aggregate
    from setpoint.sources.pull import pull

    watched = _over_observation_window(policy)
    batch = pull(watched, [target], until, sources, store)
    frame = store.read(batch)
    report = judge(frame, batch, watched, until)
    failed = {one.metric for one in report.series if one.verdict is Verdict.FAIL}
    wanted = {metric: limit.aggregate for metric, limit in policy.feedback.healthy.items()}
    return {
        signal.metric: Measurement(value=signal.value, samples=signal.samples)
        for signal in aggregate(frame, batch, watched)
        if wanted.get(signal.metric) == signal.aggregate and signal.metric not in failed
    }


def _over_observation_window(policy: Policy) -> Policy:
    """The policy with every health metric's window as long as its observation window, in whole periods."""
    metrics = dict(policy.metrics)
    for name in policy.feedback.healthy:
        config = metrics[name]
        periods = max(policy.feedback.min_samples, policy.feedback.after // config.period)
        metrics[name] = config.model_copy(update={"window": periods * config.period})
    return policy.model_copy(update={"metrics": metrics})
