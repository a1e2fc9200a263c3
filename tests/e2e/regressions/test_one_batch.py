"""Failures of other systems that began with one bad batch, each a target of one fleet that goes through the real Dag.

Two groups beside them, one honestly quiet and one honestly busy, show that the same run acts on data that can be
trusted. So a target that kept its capacity kept it for what its own metrics said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from setpoint.guards.reasons import REASONS
from setpoint.lab.config import FleetConfig
from setpoint.lab.provision import provision
from setpoint.model import Action, Completeness, Decision, SeriesQuality, Verdict


def level(value: float) -> Callable[[range], Any]:
    """A series that wavers a little around a value, as measured ones do."""
    return lambda seconds: [(at, value + at % 7 * 0.1) for at in seconds]


def newest(count: int, value: float, usual: float = 50.0) -> Callable[[range], Any]:
    """An ordinary series whose newest points are something else."""
    return lambda seconds: [*level(usual)(seconds[:-count]), *((at, value) for at in seconds[-count:])]


def unsettled(seconds: range) -> Any:
    """All that is there, asked for or not: the newest seconds are not counted to their end yet, and read low."""
    return [*level(50.0)(seconds), (seconds.stop, 6.0), (seconds.stop + 1, 1.0)]


CPU: dict[str, Callable[[range], Any]] = {
    "quiet": level(10.0),
    "busy": level(90.0),
    "zeros": lambda seconds: [(at, 0) for at in seconds],
    "some-zeros": newest(4, 0),
    "not-found": lambda seconds: (404, {"points": [{"at": at, "value": 0} for at in seconds]}),
    "empty": lambda seconds: [],
    "spike": newest(1, 400.0),
    "settling": level(50.0),
    "unsettled": unsettled,
    "first-low": lambda seconds: [(seconds[0], 4.0), *level(50.0)(seconds[1:])],
    "drained": level(10.0),
    "drained-blind": level(10.0),
}
LATENCY: dict[str, Callable[[range], Any]] = {
    "drained": level(2000.0),
    "drained-blind": lambda seconds: [],
}


@dataclass
class Told:
    """What the ledger and AWS say of one target after the run."""

    decision: Decision
    cpu: SeriesQuality
    from_units: int
    desired: int
    calls: int

    @property
    def codes(self) -> list[str]:
        return [one.code for one in self.decision.reasons]

    @property
    def broken(self) -> set[str]:
        """The checks of the gate that did not hold."""
        return {one.expectation for one in self.cpu.broken}

    def kept(self, action: Action, code: str, *checks: str) -> bool:
        """That nothing changed, for this reason, and that these checks found it."""
        assert (self.desired, self.calls) == (self.from_units, 0), self.decision
        assert (self.decision.action, self.codes[0]) == (action, code), self.decision.reasons
        assert self.broken >= set(checks), self.cpu.broken
        return True


@dataclass
class Run:
    """The one run of the whole fleet."""

    fleet: Any
    run_id: str

    def of(self, name: str) -> Told:
        target = f"{self.fleet.name}-{name}"
        (decision,) = [one for one in self.fleet.ledger.decisions_of(self.run_id) if one.target == target]
        (cpu,) = self.fleet.ledger.report_of(self.run_id).of(target, ("cpu",))
        groups = self.fleet.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[target])
        calls = [
            one
            for one in self.fleet.lab.client.calls()
            if one.action == "SetDesiredCapacity" and one.params.get("AutoScalingGroupName") == target
        ]
        return Told(decision, cpu, 3, groups["AutoScalingGroups"][0]["DesiredCapacity"], len(calls))


@pytest.fixture(scope="module")
def run(fleet_of_many: Any, endpoint_of_many: Any) -> Run:
    """Every target goes once through pull, validate, aggregate, decide and what follows."""
    fleet = fleet_of_many
    names = {name: f"{fleet.name}-{name}" for name in CPU}
    provision(
        fleet.lab.url,
        [
            FleetConfig(group=one, min_size=1, max_size=8, desired_capacity=3, boot_seconds=0.2)
            for one in names.values()
        ],
    )
    endpoint_of_many.usual = {"cpu": level(50.0), "latency": level(100.0)}
    endpoint_of_many.own = {
        (metric, names[name]): script
        for metric, scripts in (("cpu", CPU), ("latency", LATENCY))
        for name, script in scripts.items()
    }
    fleet.policy(
        targets={"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": list(names.values())},
        metrics={name: endpoint_of_many.metric(name) for name in ("cpu", "latency")},
        quality={"cpu": {"between": [0, 1000]}},
        # One point is enough to act on, so what keeps a target from it is the gate.
        scale={
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "mean"},
            "out": {"above": 70, "for": "1 of 1", "add": 2},
            "in": {"below": 30, "for": "2 of 2", "remove": 1},
        },
        guards={"no_scale_in_while": [{"metric": "latency", "above": 500, "for": "3 of 5"}]},
        # Half of these targets fail on purpose, one for each failure told of here.
        fleet={"max_failing": 1.0},
        feedback={"after": "2s", "in_service_timeout": "30s", "healthy": {"latency": {"max": 250}}, "min_samples": 1},
    )
    return Run(fleet, fleet.run())


def test_the_same_run_acts_on_data_that_can_be_trusted(run: Run) -> None:
    """Two honest series: the quiet group loses an instance, the busy one gets two."""
    quiet, busy = run.of("quiet"), run.of("busy")

    assert (quiet.decision.action, quiet.desired, quiet.calls) == (Action.SCALE_IN, 2, 1), quiet.decision.reasons
    assert (busy.decision.action, busy.desired, busy.calls) == (Action.SCALE_OUT, 5, 1), busy.decision.reasons
    assert (quiet.cpu.verdict, busy.cpu.verdict) == (Verdict.PASS, Verdict.PASS)


def test_kubernetes_104387_zeros_of_a_monitoring_outage(run: Run) -> None:
    """kubernetes#104387: CloudWatch Container Insights was down and read as 0: every service went to its minimum."""
    assert run.of("zeros").kept(Action.QUARANTINE, "quality_failed", "zero_guard")


def test_watermarkpodautoscaler_197_zero_among_values(run: Run) -> None:
    """WatermarkPodAutoscaler PR#197 (open): a source that starts to answer 0 halfway takes replicas away."""
    told = run.of("some-zeros")

    assert told.kept(Action.HOLD, "quality_degraded", "zero_guard")
    assert told.decision.raw_to_units == 2, "without the gate it would have been scaled in"


def test_keda_8036_an_error_page_is_not_a_zero(run: Run) -> None:
    """keda#8036: answers that were not 200 were read for their value, 0, and the workload was scaled to zero."""
    told = run.of("not-found")

    assert told.kept(Action.QUARANTINE, "quality_failed", "source", "coverage")
    assert all(signal.value is None for signal in told.decision.signals if signal.metric == "cpu")


def test_keda_5352_an_empty_answer_is_not_the_minimum(run: Run) -> None:
    """keda#5352: an empty answer of CloudWatch became the minimum value, and replicas were taken away."""
    told = run.of("empty")

    assert told.kept(Action.QUARANTINE, "quality_failed", "freshness", "coverage")
    assert "source" not in told.broken, "the source itself called its empty answer complete"


def test_nomad_autoscaler_843_the_newest_point_was_wrong(run: Run) -> None:
    """nomad-autoscaler#843: the newest data point was wrong now and then, and the fleet doubled at random."""
    told = run.of("spike")

    assert told.kept(Action.HOLD, "quality_degraded", "newest_spike")
    assert told.decision.raw_to_units == 5, "without the gate it would have been scaled out"


def test_keda_2242_points_that_are_not_complete_yet(run: Run, endpoint_of_many: Any) -> None:
    """keda#2242: the newest points of CloudWatch are still being counted, read low, and took capacity away."""
    pulled = run.fleet.ledger.batch_of(run.run_id).pulled_at.timestamp()

    assert run.of("settling").kept(Action.HOLD, "within_thresholds")
    assert all(asked.stop <= pulled - 5 for asked in endpoint_of_many.asked[: 2 * len(CPU)])
    # With the two low points that come unasked, the rule for scaling in would be met.
    assert run.of("unsettled").kept(Action.HOLD, "within_thresholds")


def test_cloud_custodian_1999_all_points_count(run: Run) -> None:
    """cloud-custodian#1999: of many data points only the first was looked at, and busy resources were stopped."""
    told = run.of("first-low")

    assert told.kept(Action.HOLD, "within_thresholds")
    (signal,) = [one for one in told.decision.signals if one.metric == "cpu"]
    assert signal.samples == 20


def test_keda_5166_an_outage_upstream_drains_the_load(run: Run) -> None:
    """keda#5166: while an upstream was down there was no load; scaled in, the workload met the storm that followed."""
    assert run.of("drained").kept(Action.HOLD, "upstream_condition")
    assert run.of("drained-blind").kept(Action.HOLD, "upstream_unknown")


def test_kubernetes_107647_no_decision_without_a_reason(run: Run) -> None:
    """kubernetes#107647: on a scale-in the autoscaler's event gave a blank reason."""
    decisions = run.fleet.ledger.decisions_of(run.run_id)

    assert len(decisions) == len(CPU)
    for decision in decisions:
        assert decision.reasons
        assert all(one.code in REASONS and one.text.strip() for one in decision.reasons)


def test_no_answer_was_made_up(run: Run) -> None:
    """What the sources said is on record as they said it: series without points have none, errors are errors."""
    batch = run.fleet.ledger.batch_of(run.run_id)
    told = {one.target.removeprefix(f"{run.fleet.name}-"): one for one in batch.series if one.metric == "cpu"}

    assert (told["empty"].points, told["empty"].status) == (0, Completeness.COMPLETE)
    assert (told["not-found"].points, told["not-found"].status) == (0, Completeness.ERROR)
