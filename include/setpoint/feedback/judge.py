"""The verdict on one change, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from setpoint.feedback.arrival import Arrival, arrival_of, more_unhealthy
from setpoint.feedback.reading import MISSING, Measurement, read_health
from setpoint.model import Change, Followed, HealthReading, HealthVerdict, Outcome, Reason, TargetHealth
from setpoint.policy.schema import FeedbackConfig, OnHarm

__all__ = ["Measurement", "judge_health"]

_PRECEDENCE = (
    HealthVerdict.DEGRADED,
    HealthVerdict.INCONCLUSIVE,
    HealthVerdict.IMPROVED,
    HealthVerdict.HEALTHY,
)


def judge_health(
    feedback: FeedbackConfig,
    *,
    change: Change,
    before: Mapping[str, Measurement],
    after: Mapping[str, Measurement],
    provider: TargetHealth | None,
    superseded_by: Change | None,
    now: datetime,
) -> Outcome:
    """Judge a change by its health metrics and the provider's own word. Pure. The first row that applies decides:

    ============================================================== ============
    the change changed nothing (``not_effective``)                  inconclusive
    a later change of the target overlaps (``superseded``)          inconclusive
    a metric is degraded (``health_degraded``)                      degraded
    more units unhealthy than before (``more_unhealthy``)           degraded
    a metric is inconclusive (``health_inconclusive``)              inconclusive
    the capacity did not (all) come: ``launch_failed``, ...         inconclusive
    a metric improved (``health_improved``)                         improved
    every metric is healthy (``health_healthy``)                    healthy
    ============================================================== ============

    Taken back is a degraded change whose capacity came at least in part, when the policy says ``roll_back``, and that
    is not itself a rollback. Everything else is kept, and the last reason of a degraded outcome says why.

    :param before: health metrics over the window that ends with the change; a metric that is left out is missing.
    :param after: the same over the observation window; a metric that is left out is missing.
    :param provider: instance health and activities since the change; ``None`` when it could not be read.
    :param superseded_by: a later effective change of the same target, if there is one.
    """
    readings = tuple(
        read_health(metric, limit, feedback.min_samples, before.get(metric, MISSING), after.get(metric, MISSING))
        for metric, limit in feedback.healthy.items()
    )
    arrival = arrival_of(change, provider)
    followed = Followed.KEEP
    reasons: tuple[Reason, ...]
    if (nothing := _nothing_to_judge(change, superseded_by)) is not None:
        verdict, reasons = HealthVerdict.INCONCLUSIVE, (nothing,)
    else:
        unhealthy = more_unhealthy(change, provider)
        verdict = _overall(readings, arrival, unhealthy)
        reasons = _why(verdict, readings, arrival, unhealthy)
        if verdict is HealthVerdict.DEGRADED:
            followed, consequence = _follow(feedback, change, arrival)
            reasons = (*reasons, consequence)
    return Outcome(
        change_id=change.change_id,
        policy=change.plan.policy,
        run_id=change.plan.run_id,
        target=change.plan.target,
        verdict=verdict,
        followed=followed,
        reasons=reasons,
        readings=readings,
        provider=provider,
        recorded_at=now,
    )


def _nothing_to_judge(change: Change, superseded_by: Change | None) -> Reason | None:
    if not change.state.effective:
        return Reason.of("not_effective", f"the change is {change.state}, so there is no effect: {change.reason.text}")
    if superseded_by is not None:
        later = superseded_by.plan
        text = f"change {later.change_id} took {later.target} on to {later.to_units} before this one could be judged"
        return Reason.of("superseded", text)
    return None


def _overall(readings: tuple[HealthReading, ...], arrival: Arrival, unhealthy: Reason | None) -> HealthVerdict:
    found = {one.verdict for one in readings}
    if unhealthy is not None:
        found.add(HealthVerdict.DEGRADED)
    if not arrival.complete or not readings:
        found.add(HealthVerdict.INCONCLUSIVE)
    return next(one for one in _PRECEDENCE if one in found)


def _why(
    verdict: HealthVerdict, readings: tuple[HealthReading, ...], arrival: Arrival, unhealthy: Reason | None
) -> tuple[Reason, ...]:
    """The metrics' own words, those that settle the verdict first; then the provider's."""
    by_verdict = [
        Reason.of(f"health_{one.value}", "; ".join(texts))
        for one in sorted(_PRECEDENCE, key=lambda one: one is not verdict)
        if (texts := [reading.text for reading in readings if reading.verdict is one])
    ]
    provider = [reason for reason in (unhealthy, arrival.reason) if reason is not None]
    settled_by_metrics = any(reading.verdict is verdict for reading in readings)
    return tuple(by_verdict + provider if settled_by_metrics else provider + by_verdict)


def _follow(feedback: FeedbackConfig, change: Change, arrival: Arrival) -> tuple[Followed, Reason]:
    if feedback.on_degraded is OnHarm.KEEP:
        return Followed.KEEP, Reason.of("kept_by_policy", "kept: feedback.on_degraded is keep")
    if change.plan.reverts is not None:
        return Followed.KEEP, Reason.of("rollback_of_rollback", f"kept: it took {change.plan.reverts} back itself")
    if not arrival.begun:
        text = "kept: none of its capacity was seen to come, so it cannot be what hurt"
        return Followed.KEEP, Reason.of("capacity_never_came", text)
    text = f"taken back to {change.plan.from_units}: feedback.on_degraded is roll_back"
    return Followed.ROLL_BACK, Reason.of("roll_back", text)
