"""Deciding for a whole fleet."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from setpoint.guards.decide import decide
from setpoint.guards.memory import TargetMemory
from setpoint.model import Action, Decision, Operation, PlannedChange, QualityReport, Request, Verdict
from setpoint.policy.schema import Policy
from setpoint.testing.values import NOW, a_policy, a_report, a_signal, a_state

TARGETS = ("web-1", "web-2")
HIGH, MID, LOW = [80.0] * 5, [50.0] * 5, [10.0] * 5


def decided(
    points: Mapping[str, list[float]] | None = None,
    policy: Policy | None = None,
    report: QualityReport | None = None,
    **fields: Any,
) -> dict[str, Decision]:
    """Decide about two groups of four, the first one under load, unless told otherwise."""
    points = {"web-1": HIGH, "web-2": MID} if points is None else points
    arguments: dict[str, Any] = {
        "run_id": "run-1",
        "targets": ("web-1", "web-2"),
        "signals": [a_signal(series, target) for target, series in points.items()],
        "report": report or a_report(),
        "states": {name: a_state(name) for name in ("web-1", "web-2")},
        "memory": {},
        "pulled_at": NOW,
        "now": NOW,
        **fields,
    }
    return {one.target: one for one in decide(policy or a_policy(), **arguments)}


def codes(decision: Decision) -> list[str]:
    """The codes of a decision's reasons, in their order."""
    return [one.code for one in decision.reasons]


def test_a_mixed_fleet_takes_several_actions_in_one_run():
    """Each target gets its own decision, sorted by name, with everything it rests on."""
    found = decided({"web-1": HIGH, "web-2": LOW}, event_ids=("event-1",))

    assert list(found) == ["web-1", "web-2"]
    out, in_ = found.values()
    assert (out.action, out.from_units, out.to_units, out.raw_to_units) == (Action.SCALE_OUT, 4, 6, 6)
    assert (in_.action, in_.from_units, in_.to_units) == (Action.SCALE_IN, 4, 3)
    assert out.signals == (a_signal(HIGH),)
    assert (out.policy, out.run_id, out.event_ids, out.decided_at) == ("web", "run-1", ("event-1",), NOW)
    assert (out.quality, out.dry_run) == (Verdict.PASS, False)


def test_holding_has_a_reason():
    """A target within its thresholds is held, and the decision says why with the numbers."""
    held = decided()["web-2"]

    assert (held.action, held.to_units, codes(held)) == (Action.HOLD, 4, ["within_thresholds"])
    assert "0 of the newest 5 points above 70" in held.reasons[0].text


def test_failed_data_is_quarantined_for_its_target_alone():
    """A target whose data failed is quarantined before the strategy is asked; its neighbour goes on."""
    found = decided(report=a_report({"web-1": {"cpu": Verdict.FAIL}, "web-2": {"cpu": Verdict.PASS}}))

    assert (found["web-1"].action, codes(found["web-1"])) == (
        Action.QUARANTINE,
        ["quality_failed", "failed_in_a_row"],
    )
    assert (found["web-1"].from_units, found["web-1"].to_units, found["web-1"].raw_to_units) == (4, 4, None)
    assert found["web-2"].action is Action.HOLD


def test_a_broken_frame_quarantines_every_target():
    """When the batch is wrong as a whole, no target moves."""
    found = decided(report=a_report(frame_problems=["column value is text"]))

    assert {one.action for one in found.values()} == {Action.QUARANTINE}
    assert "column value is text" in found["web-1"].reasons[0].text


def test_an_empty_report_quarantines():
    """What nobody checked is not trusted, however high the signal."""
    assert decided(report=a_report({}))["web-1"].action is Action.QUARANTINE


def test_a_missing_target_is_held():
    """A target that could not be read gets a decision without capacities."""
    missing = decided(states={"web-2": a_state("web-2")})["web-1"]

    assert (missing.action, codes(missing)) == (Action.HOLD, ["target_missing"])
    assert (missing.from_units, missing.to_units, missing.raw_to_units) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "signals"),
    [
        ("none at all", []),
        ("of another target", [a_signal(HIGH, "db-1")]),
        ("of another metric", [a_signal(HIGH, metric="rps")]),
        ("of another aggregate", [a_signal(HIGH, aggregate="mean")]),
        ("without a value", [a_signal(HIGH, value=None)]),
        ("that is not a number", [a_signal(HIGH, value=float("nan"))]),
        ("that is infinite", [a_signal(HIGH, value=float("inf"))]),
    ],
)
def test_no_signal_no_change(name, signals):
    """Without a finite value of the very signal the strategy reads, nothing changes."""
    held = decided(signals=signals)["web-1"]

    assert (held.action, codes(held)) == (Action.HOLD, ["no_signal"]), name


def test_only_the_signal_the_strategy_names_decides():
    """Other aggregates of the same metric, and other metrics, are neither used nor recorded with the decision."""
    others = [a_signal(LOW, aggregate="mean"), a_signal(LOW, aggregate="max"), a_signal(LOW, metric="rps")]
    found = decided(signals=[others[0], a_signal(HIGH), *others[1:]])["web-1"]

    assert (found.action, found.signals) == (Action.SCALE_OUT, (a_signal(HIGH),))


def test_a_request_restricts_the_targets():
    """Only the targets a request names are looked at, each once."""
    assert list(decided(request=Request(targets=("web-2", "web-2")))) == ["web-2"]


def test_a_request_for_a_target_that_is_not_there_is_answered():
    """A name outside the fleet is held with a reason that suggests what was meant."""
    unknown = decided(request=Request(targets=("web1",), wanted_units=9))["web1"]

    assert (unknown.action, codes(unknown), unknown.from_units) == (Action.HOLD, ["unknown_target"], None)
    assert "did you mean web-1?" in unknown.reasons[0].text


def test_a_requested_capacity_is_bound_by_the_guards():
    """A capacity somebody asked for replaces the strategy's, and stays inside the bounds."""
    asked = decided(request=Request(targets=("web-2",), wanted_units=10_000, requested_by="ana"))["web-2"]

    assert (asked.action, asked.raw_to_units, asked.to_units) == (Action.SCALE_OUT, 10_000, 10)
    assert codes(asked) == ["requested", "bounds"]
    assert [one.guard for one in asked.constraints] == ["bounds"]


@pytest.mark.parametrize("verdict", [Verdict.DEGRADED, Verdict.FAIL])
@pytest.mark.parametrize("wanted", [3, 6])
def test_what_a_person_asks_for_does_not_wait_for_the_data_but_is_told_of_it(wanted, verdict):
    """A wish does not rest on the metrics: it goes ahead in either direction, and says what the data is like."""
    report = a_report({"web-1": {"cpu": verdict}})
    asked = decided(report=report, request=Request(targets=("web-1",), wanted_units=wanted))["web-1"]

    assert (asked.to_units, asked.quality) == (wanted, verdict)
    assert codes(asked) == ["requested", "requested_on_bad_data"]
    assert "cpu: coverage" in asked.reasons[1].text


def test_a_request_that_leaves_the_capacity_open_asks_the_strategy():
    """A request without a capacity decides like any run."""
    assert codes(decided(request=Request(reason="have a look"))["web-1"]) == ["above_threshold"]


@pytest.mark.parametrize(
    ("policy", "request_", "argument", "expected"),
    [
        (False, False, False, False),
        (True, False, False, True),
        (False, True, False, True),
        (False, False, True, True),
    ],
)
def test_a_dry_run_is_marked_whoever_asks_for_it(policy, request_, argument, expected):
    """The policy, the request or the caller: any of them makes it a dry run."""
    found = decided(policy=a_policy(dry_run=policy), request=Request(dry_run=request_), dry_run=argument)

    assert {one.dry_run for one in found.values()} == {expected}


def test_the_first_guard_that_holds_ends_it():
    """Guards speak in their documented order; after one holds, the others have nothing to say."""
    refresh = Operation(kind="instance_refresh", detail="in progress")
    memory = {"web-1": TargetMemory(target="web-1", open_change_id="abc", last_out_at=NOW)}
    states = {"web-1": a_state("web-1", 4, operations=(refresh,)), "web-2": a_state("web-2")}

    degraded = a_report({"web-1": {"cpu": Verdict.DEGRADED}})

    assert [one.guard for one in decided(states=states, report=degraded)["web-1"].constraints] == ["quality"]
    assert [one.guard for one in decided(states=states, memory=memory)["web-1"].constraints] == ["operation"]
    assert [one.guard for one in decided(memory=memory)["web-1"].constraints] == ["open_change"]


def test_a_change_waits_for_the_verdict_on_the_last_one():
    """A harmful change that another one followed would never be judged: so none follows, whoever asks for it."""
    resting = NOW - timedelta(minutes=11)
    memory = {name: TargetMemory(target=name, last_in_at=resting, unjudged_change_id="abc") for name in TARGETS}
    strict = a_policy(feedback={"after": "5m", "healthy": {"cpu": {"max": 90}}, "until_judged": "hold"})
    loads = {"web-1": HIGH, "web-2": LOW}

    by_default = decided(loads, memory=memory)
    holding = decided(loads, strict, memory=memory)
    asked = decided(loads, strict, memory=memory, request=Request(wanted_units=9))

    assert [one.action for one in by_default.values()] == [Action.SCALE_OUT, Action.HOLD]
    assert codes(by_default["web-2"])[0] == "change_unjudged"
    assert {(one.action, codes(one)[0]) for one in (*holding.values(), *asked.values())} == {
        (Action.HOLD, "change_unjudged")
    }


def test_metrics_from_before_the_last_change_decide_nothing():
    """A second look that pulled its metrics before the first one's change took effect adds nothing to it."""
    memory = {name: TargetMemory(target=name, last_out_at=NOW - timedelta(hours=1)) for name in TARGETS}
    stale = {"memory": memory, "pulled_at": NOW - timedelta(hours=1, seconds=1)}
    by_metrics = decided({"web-1": HIGH, "web-2": LOW}, **stale)
    asked = decided(request=Request(wanted_units=9), **stale)

    assert {(one.action, codes(one)[0]) for one in by_metrics.values()} == {(Action.HOLD, "changed_since_pull")}
    assert {(one.action, one.metrics_pulled_at) for one in asked.values()} == {(Action.SCALE_OUT, None)}


def test_a_decision_tells_when_its_metrics_were_pulled():
    """The pull's time goes with the decision, and with the change it becomes, so that applying can ask again."""
    found = decided(pulled_at=NOW - timedelta(seconds=3))["web-1"]

    assert found.metrics_pulled_at == NOW - timedelta(seconds=3)
    assert PlannedChange.of(found, "aws.autoscaling_group").metrics_pulled_at == NOW - timedelta(seconds=3)


def test_several_constraints_are_all_recorded():
    """A proposal cut twice tells both cuts in order."""
    policy = a_policy(limits={"min": 2, "max": 10, "max_step": {"out": 3}})
    asked = decided(policy=policy, request=Request(targets=("web-1",), wanted_units=40))["web-1"]

    assert [(one.guard, one.from_units, one.to_units) for one in asked.constraints] == [
        ("bounds", 40, 10),
        ("max_step", 10, 7),
    ]


def test_a_cooldown_is_per_target():
    """A target at rest does not keep its neighbour from moving."""
    memory = {"web-1": TargetMemory(target="web-1", last_out_at=NOW - timedelta(seconds=30))}
    found = decided({"web-1": HIGH, "web-2": HIGH}, memory=memory)

    assert (found["web-1"].action, found["web-2"].action) == (Action.HOLD, Action.SCALE_OUT)


def test_an_empty_fleet_has_no_decisions():
    """No targets, no decisions, no error."""
    assert decided(targets=()) == {}


def test_text_from_outside_stays_data():
    """A request's text and a target's name reach the reason as they are."""
    name = "{{ var.value.secret }}'; --"
    found = decided(request=Request(targets=(name,), reason="{% raw %}"))

    assert name in found[name].reasons[0].text
