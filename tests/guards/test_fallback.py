"""What applies when the data keeps failing the gate."""

from datetime import timedelta
from typing import Any

import pytest

from setpoint.guards.decide import decide
from setpoint.guards.memory import TargetMemory
from setpoint.model import Action, Decision, Operation, Request, Verdict
from setpoint.model.streak import Streak
from setpoint.testing.values import NOW, a_policy, a_report, a_signal, a_state


def decided(
    failures: int = 3, then: Any = "hold", ended: int = 0, verdict: Verdict = Verdict.FAIL, **fields: Any
) -> Decision:
    """One target of four, 2 to 10 allowed, with so many failed batches in a row, this one included."""
    streak = Streak(target="web-1", failures=failures, ended=ended, since=NOW if failures else None, window_end=NOW)
    arguments: dict[str, Any] = {
        "run_id": "run-1",
        "targets": ("web-1",),
        "signals": [a_signal([10.0] * 5)],
        "report": a_report({"web-1": {"cpu": verdict}}),
        "states": {"web-1": a_state(desired=4)},
        "memory": {},
        "pulled_at": NOW,
        "now": NOW,
        "streaks": {"web-1": streak},
        **fields,
    }
    policy = arguments.pop("policy", {})
    (decision,) = decide(a_policy(**{"fallback": {"after": 3, "then": then}, **policy}), **arguments)
    return decision


def codes(decision: Decision) -> list[str]:
    """The codes of a decision's reasons, in their order."""
    return [one.code for one in decision.reasons]


@pytest.mark.parametrize(
    ("name", "then", "action", "to_units"),
    [
        ("hold", "hold", Action.QUARANTINE, 4),
        ("more than there is", {"capacity": 6}, Action.SCALE_OUT, 6),
        ("less than there is", {"capacity": 3}, Action.SCALE_IN, 3),
        ("what there is", {"capacity": 4}, Action.QUARANTINE, 4),
        ("raised to the least", {"keep_if_higher": 6}, Action.SCALE_OUT, 6),
        ("kept, because it is higher", {"keep_if_higher": 3}, Action.QUARANTINE, 4),
    ],
)
def test_what_applies(name, then, action, to_units):
    """After three failed batches in a row the declared capacity applies, and the decision says that and why."""
    found = decided(then=then)

    assert (found.action, found.to_units, found.quality) == (action, to_units, Verdict.FAIL), name
    assert {"quality_failed", "failed_in_a_row"} <= set(codes(found)), name
    assert ({"fallback"} if action.changes else {"fallback_hold"}) <= set(codes(found)), name
    assert codes(found)[0] == ("fallback" if action.changes else "quality_failed"), name


def test_before_its_number_it_does_not_apply():
    """Two failures of three change nothing, and the reason counts them."""
    found = decided(failures=2, then={"capacity": 8})

    assert (found.action, found.to_units, codes(found)) == (
        Action.QUARANTINE, 4, ["quality_failed", "failed_in_a_row"],
    )  # fmt: skip
    assert "2 failed batches in a row" in found.reasons[1].text
    assert "the fallback (capacity: 8) applies after 3" in found.reasons[1].text


def test_without_a_count_nothing_applies():
    """Where nobody counted, this is the first failure."""
    assert decided(then={"capacity": 8}, streaks={}).action is Action.QUARANTINE


@pytest.mark.parametrize(
    ("name", "fields", "to_units", "guard"),
    [
        ("bounds", {"states": {"web-1": a_state(desired=4, max_units=7)}}, 7, "bounds"),
        ("max_step", {"policy": {"limits": {"min": 2, "max": 10, "max_step": {"out": 2}}}}, 6, "max_step"),
        (
            "cooldown",
            {"memory": {"web-1": TargetMemory(target="web-1", last_in_at=NOW - timedelta(seconds=9))}},
            4,
            "cooldown",
        ),
        ("open change", {"memory": {"web-1": TargetMemory(target="web-1", open_change_id="abc")}}, 4, "open_change"),
        (
            "operation",
            {"states": {"web-1": a_state(desired=4, operations=(Operation(kind="refresh", detail="x"),))}},
            4,
            "operation",
        ),
    ],
)
def test_the_guards_bind_it_like_any_change(name, fields, to_units, guard):
    """A fallback is a change like any other: the guards cut it or hold it, and held it is quarantine again."""
    if guard == "cooldown":
        fields = {**fields, "pulled_at": NOW - timedelta(seconds=1)}
    found = decided(then={"capacity": 10}, **fields)

    assert (found.to_units, found.raw_to_units) == (to_units, 10), name
    assert [one.guard for one in found.constraints] == [guard], name
    assert found.action is (Action.QUARANTINE if to_units == 4 else Action.SCALE_OUT), name


def test_recovery_is_told():
    """The first batch that does not fail any more is decided on, and says how many it ended."""
    found = decided(failures=0, ended=4, verdict=Verdict.PASS)

    assert (found.action, codes(found)) == (Action.SCALE_IN, ["below_threshold", "recovered"])
    assert "4 failed batches in a row" in found.reasons[1].text


def test_a_request_comes_before_the_fallback():
    """What a person asks for is done, not the fallback, and the data's trouble is said."""
    found = decided(then={"capacity": 8}, request=Request(wanted_units=5))

    assert (found.to_units, codes(found)) == (5, ["requested", "requested_on_bad_data"])


def test_a_broken_source_quarantines_the_targets_whose_own_data_passed():
    """When it is the source that is broken, nothing changes for any target, and that is the reason."""
    report = a_report({"web-1": {"cpu": Verdict.PASS}}, source_broken=True)
    found = decided(failures=1, report=report, signals=[a_signal([90.0] * 5)])

    assert (found.action, found.quality, codes(found)) == (
        Action.QUARANTINE, Verdict.FAIL, ["source_broken", "failed_in_a_row"],
    )  # fmt: skip
    assert "5 of 6 targets fail at once" in found.reasons[0].text


def test_a_source_that_stays_broken_leads_to_the_fallback():
    """An outage of the source counts like any failure: after its number the fallback applies."""
    found = decided(then={"keep_if_higher": 6}, report=a_report({"web-1": {"cpu": Verdict.PASS}}, source_broken=True))

    assert (found.action, found.to_units) == (Action.SCALE_OUT, 6)
    assert codes(found) == ["fallback", "source_broken", "failed_in_a_row"]
