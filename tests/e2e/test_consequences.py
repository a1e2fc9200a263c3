"""What follows from the gate's verdict, through the real Dag: from the metrics to the record in the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from setpoint.lab.config import FleetConfig
from setpoint.lab.faults import FaultKind
from setpoint.lab.provision import provision
from setpoint.model import Action, Verdict

CLEAN_LATENCY = {"max_age": "10s", "min_coverage": 0.3, "full_coverage": 0.3}
GAPS_DEGRADE = {"cpu": {"max_age": "10s", "min_coverage": 0.3, "full_coverage": 0.9, "on_degraded": "hold_scale_in"}}


def codes(decision: Any) -> list[str]:
    """The codes of a decision's reasons, in their order."""
    return [one.code for one in decision.reasons]


def test_degraded_data_scales_out_by_a_smaller_step(fleet: Any) -> None:
    """With a third of the points missing, half of the step is taken, and the decision says that and why."""
    fleet.policy(quality={**GAPS_DEGRADE, "latency": CLEAN_LATENCY})
    fleet.cpu, fleet.gap_every = 90, 3
    fleet.live()
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.quality) == (Action.SCALE_OUT, Verdict.DEGRADED), decision.reasons
    assert (decision.from_units, decision.raw_to_units, decision.to_units) == (3, 5, 4)
    assert {"degraded_scale_out", "degraded_step"} <= set(codes(decision))
    assert [(one.guard, one.from_units, one.to_units) for one in decision.constraints] == [("degraded_step", 5, 4)]
    assert fleet.desired == 4
    assert fleet.task_states[("quarantine", -1)] == "skipped"


def test_degraded_data_takes_nothing_away(fleet: Any) -> None:
    """The same data with little load: what scales out on it does not scale in."""
    rules = {"out": {"above": 70, "for": "8 of 10", "add": 2}, "in": {"below": 30, "for": "5 of 12", "remove": 1}}
    scale = {"strategy": "threshold", "signal": {"metric": "cpu"}, **rules}
    fleet.policy(quality={**GAPS_DEGRADE, "latency": CLEAN_LATENCY}, scale=scale)
    fleet.cpu, fleet.gap_every = 10, 3
    fleet.live()
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, codes(decision)[0]) == (Action.HOLD, "quality_degraded")
    assert decision.raw_to_units == 2
    assert fleet.capacity_calls == []


def test_a_condition_upstream_keeps_capacity(fleet: Any) -> None:
    """Little load is no reason to scale in while what feeds the fleet is in trouble."""
    fleet.policy(guards={"no_scale_in_while": [{"metric": "latency", "above": 500, "for": "3 of 5"}]})
    fleet.cpu, fleet.latency = 10, 900
    fleet.live()
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, codes(decision)[0]) == (Action.HOLD, "upstream_condition")
    assert {one.metric for one in decision.signals} == {"cpu", "latency"}
    assert fleet.capacity_calls == []


def test_the_fallback_applies_after_its_number_and_ends_with_recovery(fleet: Any) -> None:
    """Without metrics nothing changes once; the second time the declared capacity applies; data ends the count."""
    fleet.policy(fallback={"after": 2, "then": {"keep_if_higher": 5}})
    first = fleet.run()
    (decision,) = fleet.ledger.decisions_of(first)
    assert (decision.action, codes(decision)) == (Action.QUARANTINE, ["quality_failed", "failed_in_a_row"])
    assert fleet.capacity_calls == []

    second = fleet.run()
    (decision,) = fleet.ledger.decisions_of(second)
    assert (decision.action, decision.from_units, decision.to_units) == (Action.SCALE_OUT, 3, 5), decision.reasons
    assert codes(decision) == ["fallback", "quality_failed", "failed_in_a_row"]
    assert fleet.task_states[("quarantine", -1)] == "success", "what failed is put aside all the same"
    (change,) = fleet.ledger.changes_of(second)
    assert fleet.ledger.outcome_of(change.change_id) is not None
    assert (fleet.desired, len(fleet.capacity_calls)) == (5, 1)

    fleet.live()
    third = fleet.run()
    (decision,) = fleet.ledger.decisions_of(third)
    assert (decision.action, decision.quality) == (Action.HOLD, Verdict.PASS), decision.reasons
    assert "recovered" in codes(decision)
    assert fleet.ledger.streaks(fleet.name)[fleet.name].failures == 0


def test_a_person_is_not_kept_from_changing_by_failing_metrics(fleet: Any) -> None:
    """What somebody asks for is done without any metrics, the decision says so, and the batch is put aside."""
    run = fleet.run(wanted_units=5, reason="metrics are down, the sale is on")

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.to_units, codes(decision)) == (5, ["requested", "requested_on_bad_data"])
    assert fleet.desired == 5
    assert fleet.task_states[("quarantine", -1)] == "success"


def test_a_broken_source_is_one_incident_and_nothing_changes(fleet: Any) -> None:
    """Two of three groups say nothing at once: the load of the third is not acted on either, until it is mended."""
    others = [f"{fleet.name}-b", f"{fleet.name}-c"]
    provision(fleet.lab.url, [FleetConfig(group=one, min_size=1, max_size=8, desired_capacity=3) for one in others])
    targets = {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [fleet.name, *others]}
    fleet.policy(targets=targets)
    fleet.cpu = 90
    fleet.live()
    runs = [fleet.run(), fleet.run()]

    for run in runs:
        decisions = fleet.ledger.decisions_of(run)
        assert [(one.action, codes(one)[0]) for one in decisions] == [(Action.QUARANTINE, "source_broken")] * 3
    (incident,) = fleet.ledger.incidents(fleet.name)
    assert (incident.is_open, incident.batches, incident.opened_by) == (True, 2, runs[0])
    assert fleet.ledger.explain(runs[1]).incident.incident_id == incident.incident_id
    assert fleet.capacity_calls == []

    fleet.policy()
    mended = fleet.run()
    (incident,) = fleet.ledger.incidents(fleet.name)
    assert (incident.is_open, incident.closed_by) == (False, mended)


@pytest.fixture
def unreachable(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CloudWatch answers nobody, and a client that gives up at once."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fleet.lab.client.fault(FaultKind.API_DOWN, services=("monitoring",))
    yield fleet
    fleet.lab.client.remove_faults()


def test_a_source_that_does_not_answer_leads_to_the_fallback(unreachable: Any) -> None:
    """An API nobody can reach is a failed batch too: it is counted, told as one incident, and the fallback applies."""
    fleet = unreachable
    fleet.policy(fallback={"after": 1, "then": {"capacity": 4}})
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.to_units, codes(decision)[0]) == (Action.SCALE_OUT, 4, "fallback")
    (incident,) = fleet.ledger.incidents(fleet.name)
    assert incident.is_open
    assert "aws.cloudwatch" in incident.text
    assert fleet.task_states[("quarantine", -1)] == "success"
