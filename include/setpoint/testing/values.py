"""Values with every field filled in, for tests: a test says only what it is about.

Times are around :data:`NOW`, a fixed moment. Keyword arguments replace fields by name and are validated as usual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from setpoint.model import (
    ApplyResult,
    Change,
    ChangeState,
    Check,
    Decision,
    FleetQuality,
    PlannedChange,
    QualityReport,
    Reason,
    SeriesQuality,
    Signal,
    TargetHealth,
    TargetState,
    Verdict,
    direction,
    worst,
)
from setpoint.policy.schema import Policy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCOPE = "aws.autoscaling_group@aws_default/"
"""The scope of the targets of `a_policy`."""
"""A Sunday noon, the moment the tests live in."""

_POLICY: dict[str, Any] = {
    "version": 1,
    "name": "web",
    "owner": "platform",
    "targets": {"kind": "aws.autoscaling_group", "names": ["web-1", "web-2"]},
    "metrics": {
        "cpu": {
            "source": "aws.cloudwatch",
            "namespace": "AWS/EC2",
            "name": "CPUUtilization",
            "statistic": "Average",
            "period": "1m",
            "window": "10m",
        },
    },
    "scale": {
        "strategy": "threshold",
        "signal": {"metric": "cpu", "aggregate": "p90"},
        "out": {"above": 70, "for": "3 of 5", "add": 2},
        "in": {"below": 30, "for": "5 of 5", "remove": 1},
    },
    "limits": {"min": 2, "max": 10, "cooldown": {"out": "2m", "in": "10m"}},
    "feedback": {"after": "5m", "healthy": {"cpu": {"max": 90}}},
}


def a_policy(**sections: Any) -> Policy:
    """A policy of two groups that scales on one metric, ``cpu``; whole sections are replaced, as in its YAML file."""
    return Policy.model_validate({**_POLICY, **sections})


def a_state(target: str = "web-1", desired: int = 4, **fields: Any) -> TargetState:
    """A target at rest: everything desired is in service, and the provider allows 0 to 100."""
    return TargetState.model_validate(
        {
            "target": target,
            "desired_units": desired,
            "in_service_units": desired,
            "min_units": 0,
            "max_units": 100,
            "unit": "instance",
            "read_at": NOW,
            **fields,
        }
    )


def a_signal(points: Sequence[float | None], target: str = "web-1", **fields: Any) -> Signal:
    """A signal of ``cpu`` with these points, oldest first; its value is their highest."""
    present = [point for point in points if point is not None]
    return Signal.model_validate(
        {
            "target": target,
            "metric": "cpu",
            "aggregate": "p90",
            "value": max(present, default=None),
            "points": tuple(points),
            "samples": len(present),
            "coverage": len(present) / len(points) if points else 0,
            "age_seconds": 30 if present else None,
            **fields,
        }
    )


def a_report(
    verdicts: Mapping[str, Mapping[str, Verdict]] | None = None,
    frame_problems: Sequence[str] = (),
    source_broken: bool = False,
) -> QualityReport:
    """A quality report: target to metric to verdict; ``cpu`` of two groups passes when left out.

    :param source_broken: the source of ``cpu`` is broken, whatever the verdicts.
    """
    if verdicts is None:
        verdicts = {target: {"cpu": Verdict.PASS} for target in ("web-1", "web-2")}
    series = tuple(
        SeriesQuality(target=target, metric=metric, verdict=verdict, checks=(_check(verdict),))
        for target, metrics in verdicts.items()
        for metric, verdict in metrics.items()
    )
    return QualityReport(
        batch_id="batch-1",
        policy="web",
        suite="setpoint.web.v1",
        verdict=worst(tuple(one.verdict for one in series)),
        frame_problems=tuple(frame_problems),
        series=series,
        fleet=(_broken_source(),) if source_broken else (),
        seconds=0.05,
        judged_at=NOW,
    )


def _broken_source() -> FleetQuality:
    return FleetQuality(
        metric="cpu",
        source="aws.cloudwatch",
        targets=6,
        failing=5,
        max_failing=0.5,
        broken=True,
        text="cpu: 5 of 6 targets fail at once (more than 50 %): aws.cloudwatch is broken",
    )


def _check(verdict: Verdict) -> Check:
    return Check(
        expectation="coverage",
        held=verdict is Verdict.PASS,
        severity=Verdict.PASS if verdict is Verdict.PASS else verdict,
        observed={Verdict.PASS: "100 %", Verdict.DEGRADED: "90 %", Verdict.FAIL: "20 %"}[verdict],
        allowed="at least 95 %",
    )


def a_decision(target: str = "web-1", from_units: int = 4, to_units: int = 6, **fields: Any) -> Decision:
    """A decision that leads from one capacity to another."""
    return Decision.model_validate(
        {
            "run_id": "run-1",
            "policy": "web",
            "target": target,
            "action": direction(from_units, to_units),
            "from_units": from_units,
            "to_units": to_units,
            "raw_to_units": to_units,
            "reasons": (Reason(code="above_threshold", text="cpu: 3 of the newest 5 points above 70"),),
            "quality": Verdict.PASS,
            "decided_at": NOW,
            **fields,
        }
    )


def a_planned_change(target: str = "web-1", from_units: int = 4, to_units: int = 6, **fields: Any) -> PlannedChange:
    """A planned change of a group, as a plan would have it; fields are replaced after its identity was made."""
    made = PlannedChange.of(a_decision(target, from_units, to_units), SCOPE)
    return PlannedChange.model_validate({**dict(made), **fields})


def a_change(
    from_units: int = 4,
    to_units: int = 6,
    state: ChangeState = ChangeState.SETTLED,
    unhealthy_before: int = 0,
    **fields: Any,
) -> Change:
    """A change that was applied five minutes ago and is in service, unless a state says otherwise."""
    plan = a_planned_change("web-1", from_units, to_units)
    reason = Reason(code="in_service", text=f"web-1 has {to_units} of {to_units} instances in service")
    before = a_state("web-1", from_units, unhealthy_units=unhealthy_before)
    applied = Reason(code="applied", text="the provider took the call")
    result = ApplyResult(
        state=ChangeState.APPLIED, reason=applied, before=before, after_desired_units=to_units, request_id="request-1"
    )
    return Change.model_validate(
        {
            "plan": plan,
            "state": state,
            "reason": reason,
            "result": result,
            "intended_at": NOW - timedelta(minutes=5, seconds=1),
            "applied_at": NOW - timedelta(minutes=5),
            "settled_at": NOW - timedelta(minutes=4) if state is ChangeState.SETTLED else None,
            **fields,
        }
    )


def a_health(in_service: int = 6, **fields: Any) -> TargetHealth:
    """The provider's word on a target: all well."""
    return TargetHealth.model_validate(
        {"target": "web-1", "in_service_units": in_service, "unhealthy_units": 0, **fields}
    )


def permitted(state: TargetState) -> Reason | None:
    """The :data:`setpoint.targets.contract.Permit` of a change that nothing speaks against."""
    return None
