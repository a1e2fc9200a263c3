"""Failures of other systems that took several looks at the metrics, through the real Dag."""

from __future__ import annotations

from typing import Any

import pytest

from setpoint.model import Action, Verdict

BUSY, ORDINARY = 90.0, 50.0
POLICY: dict[str, Any] = {
    "scale": {
        "strategy": "threshold",
        "signal": {"metric": "cpu", "aggregate": "mean"},
        "out": {"above": 70, "for": "3 of 5", "add": 2},
        "in": {"below": 30, "for": "10 of 10", "remove": 1},
    },
    "feedback": {"after": "2s", "in_service_timeout": "30s", "healthy": {"cpu": {"max": 95}}, "min_samples": 1},
}


def steady(value: float) -> Any:
    """A series that wavers a little around a value."""
    return lambda seconds: [(at, value + at % 7 * 0.1) for at in seconds]


@pytest.fixture
def watched(fleet: Any, endpoint: Any) -> Any:
    """A fleet of 3 whose CPU the endpoint tells."""
    fleet.policy(metrics={"cpu": endpoint.metric("cpu")}, quality={"cpu": {"between": [0, 100]}}, **POLICY)
    endpoint.usual = {"cpu": steady(ORDINARY)}
    return fleet


def codes(decision: Any) -> list[str]:
    """The codes of a decision's reasons, in their order."""
    return [one.code for one in decision.reasons]


def test_keda_1850_2244_965_nomad_autoscaler_622_the_source_does_not_answer(watched: Any, endpoint: Any) -> None:
    """keda#1850, #2244, #965: without metrics a workload went to some default; users wanted the last known state kept.

    nomad-autoscaler#622: Datadog was down when the load came, and nothing happened. Here: the first look changes
    nothing, the second one applies the capacity that was declared for this, and the first answer ends the count.
    """
    watched.policy(
        metrics={"cpu": endpoint.metric("cpu")},
        quality={"cpu": {"between": [0, 100]}},
        fallback={"after": 2, "then": {"keep_if_higher": 4}},
        **POLICY,
    )
    endpoint.usual = {"cpu": lambda seconds: (401, {"error": "the token has expired"})}
    first = watched.run()

    assert (watched.desired, watched.capacity_calls, watched.ledger.decisions_of(first)) == (3, [], ())
    assert watched.state == "failed", "a source that does not answer is seen where people look"
    (incident,) = watched.ledger.incidents(watched.name)
    assert (incident.is_open, incident.opened_by) == (True, first)
    assert watched.ledger.streaks(watched.name)[watched.name].failures == 1

    second = watched.run()

    (decision,) = watched.ledger.decisions_of(second)
    assert (decision.action, decision.to_units, decision.quality) == (Action.SCALE_OUT, 4, Verdict.FAIL)
    assert codes(decision) == ["fallback", "quality_failed", "failed_in_a_row"]
    assert (watched.desired, len(watched.capacity_calls)) == (4, 1)

    endpoint.usual = {"cpu": steady(ORDINARY)}
    third = watched.run()

    (decision,) = watched.ledger.decisions_of(third)
    assert (decision.action, codes(decision)) == (Action.HOLD, ["within_thresholds", "recovered"])
    assert watched.ledger.streaks(watched.name)[watched.name].failures == 0
    (incident,) = watched.ledger.incidents(watched.name)
    assert (incident.is_open, incident.closed_by) == (False, third)


def test_nomad_autoscaler_413_the_metric_lags_behind_capacity(watched: Any, endpoint: Any) -> None:
    """nomad-autoscaler#413: the metric still showed the old load after each step, so the fleet grew step upon step."""
    endpoint.usual = {"cpu": steady(BUSY)}
    watched.run()
    second = watched.run()

    (decision,) = watched.ledger.decisions_of(second)
    assert (decision.action, decision.raw_to_units) == (Action.HOLD, 7), "the metric alone would have gone on"
    assert {"cooldown", "changed_since_pull"} & set(codes(decision))
    assert (watched.desired, len(watched.capacity_calls)) == (5, 1)


def test_escalator_285_a_constant_demand_settles(watched: Any, endpoint: Any) -> None:
    """escalator PR#285, #288: the capacity a ratio is taken of moved with every change, and a constant demand swung."""
    demand = 240.0
    endpoint.usual = {"cpu": lambda seconds: steady(demand / watched.desired)(seconds)}
    watched.policy(
        metrics={"cpu": endpoint.metric("cpu")},
        quality={"cpu": {"between": [0, 100]}},
        **POLICY,
        limits={"min": 1, "max": 8, "cooldown": {"out": "0s", "in": "0s"}},
    )
    runs = [watched.run() for _ in range(3)]

    settled = watched.ledger.decisions_of(runs[-1])[0]
    assert (watched.desired, len(watched.capacity_calls)) == (5, 1), "80 % of three is 48 % of five"
    assert codes(settled) == ["within_thresholds"]
