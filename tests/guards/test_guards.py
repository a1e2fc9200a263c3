"""Each guard by itself."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from setpoint.guards.bounds import Bounds, bounds
from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.guards.cooldown import cooldown
from setpoint.guards.max_step import max_step
from setpoint.guards.memory import TargetMemory
from setpoint.guards.open_change import open_change
from setpoint.guards.operation import operation
from setpoint.guards.quality import quality
from setpoint.guards.since_pull import since_pull
from setpoint.guards.trust import Trust, trust_of
from setpoint.guards.unjudged import DEAD_AFTER, unjudged
from setpoint.model import Action, Operation, Reason, Verdict
from setpoint.testing.values import NOW, a_policy, a_report, a_state

CLEAN = Trust(Verdict.PASS)


def candidate(from_units: int, to_units: int) -> Candidate:
    """A proposal that no guard has spoken about."""
    return Candidate(from_units, to_units, (Reason(code="above_threshold", text="4 of 5 above"),))


def context(trust: Trust = CLEAN, memory: dict[str, Any] | None = None, desired: int = 4, **state: Any) -> GuardContext:
    """A target at rest under the default policy."""
    remembered = TargetMemory(target="web-1", **(memory or {}))
    return GuardContext(a_policy(), a_state(desired=desired, **state), trust, remembered, NOW)


def limits(context: GuardContext, **words: Any) -> GuardContext:
    """The same with other limits."""
    policy = a_policy(limits={"min": 2, "max": 10, **words})
    return GuardContext(policy, context.state, context.trust, context.memory, context.now)


def outcome(candidate: Candidate) -> tuple[int, str]:
    """Where a candidate stands, and the code of the last guard that moved it."""
    return candidate.to_units, candidate.constraints[-1].reason.code if candidate.constraints else "untouched"


@pytest.mark.parametrize(
    ("name", "desired", "wanted", "words", "provider", "expected"),
    [
        ("inside", 4, 6, {}, {}, (6, "untouched")),
        ("beyond the policy's most", 9, 14, {}, {}, (10, "bounds")),
        ("below the policy's least", 3, 0, {}, {}, (2, "bounds")),
        ("beyond the provider's most", 4, 9, {}, {"max_units": 7}, (7, "bounds")),
        ("below the provider's least", 6, 3, {}, {"min_units": 5}, (5, "bounds")),
        ("already at the most", 10, 12, {}, {}, (10, "at_max")),
        ("already at the least", 2, 1, {}, {}, (2, "at_min")),
        ("far above, wants more: never turned round", 20, 22, {}, {}, (20, "at_max")),
        ("far below, wants less: never turned round", 1, 0, {}, {}, (1, "at_min")),
        ("far above, wants less: drawn to the most", 20, 19, {}, {}, (10, "bounds")),
        ("far below, wants more: drawn to the least", 0, 1, {}, {}, (2, "bounds")),
        ("ranges that do not meet", 4, 6, {}, {"min_units": 20, "max_units": 30}, (4, "bounds_conflict")),
    ],
)
def test_bounds(name, desired, wanted, words, provider, expected):
    """A proposal ends inside the bounds of policy and provider, in its own direction or not at all."""
    found = bounds(candidate(desired, wanted), limits(context(desired=desired, **provider), **words))

    assert outcome(found) == expected, name


def test_bounds_may_be_neared_from_outside_in_steps():
    """From outside, a change that comes nearer is allowed; one that leads away or crosses over is not."""
    allowed = Bounds(low=2, high=10, text="2 to 10")

    assert allowed.allow(20, 15)
    assert allowed.allow(0, 1)
    assert allowed.allow(20, 2)
    assert not allowed.allow(20, 21)
    assert not allowed.allow(1, 0)
    assert not allowed.allow(20, 1)
    assert not allowed.allow(5, 11)


@pytest.mark.parametrize(
    ("name", "desired", "wanted", "step", "expected"),
    [
        ("no limit", 4, 10, {}, (10, "untouched")),
        ("within the step", 4, 6, {"out": 2}, (6, "untouched")),
        ("cut going out", 4, 9, {"out": 2}, (6, "max_step")),
        ("cut going in", 9, 4, {"in": 1}, (8, "max_step")),
        ("the other direction's limit does not count", 9, 4, {"out": 1}, (4, "untouched")),
        ("percent of what there is", 8, 20, {"out": "50%"}, (12, "max_step")),
        ("percent is one unit at least", 2, 5, {"out": "10%"}, (3, "max_step")),
    ],
)
def test_max_step(name, desired, wanted, step, expected):
    """A proposal is cut to the largest step of its direction."""
    found = max_step(candidate(desired, wanted), limits(context(desired=desired), max_step=step))

    assert outcome(found) == expected, name


@pytest.mark.parametrize(
    ("name", "wanted", "out_ago", "in_ago", "expected"),
    [
        ("never changed", 6, None, None, (6, "untouched")),
        ("out too soon after out", 6, 119, None, (4, "cooldown")),
        ("out at the end of the cooldown", 6, 120, None, (6, "untouched")),
        ("out too soon after in", 6, None, 60, (4, "cooldown")),
        ("in too soon after out", 3, 599, None, (4, "cooldown")),
        ("in long enough after out", 3, 600, None, (3, "untouched")),
        ("the newer change counts", 3, 900, 300, (4, "cooldown")),
        ("a clock set back is just now", 6, -30, None, (4, "cooldown")),
    ],
)
def test_cooldown(name, wanted, out_ago, in_ago, expected):
    """The time since the last change in either direction is held against the cooldown of the direction to move in."""
    memory = {
        f"last_{side}_at": NOW - timedelta(seconds=ago)
        for side, ago in (("out", out_ago), ("in", in_ago))
        if ago is not None
    }

    assert outcome(cooldown(candidate(4, wanted), context(memory=memory))) == expected, name


def test_cooldown_says_how_long():
    """The reason has the time since the change, the cooldown and what is left of it."""
    found = cooldown(candidate(4, 6), context(memory={"last_in_at": NOW - timedelta(seconds=90)}))

    pulled = replace(context(memory={"last_in_at": NOW - timedelta(seconds=90)}), pulled_at=NOW - timedelta(seconds=5))

    assert found.reasons[0].text == "last changed 90 s ago (in); cooldown.out is 2m, 30 s left"
    assert cooldown(candidate(4, 6), pulled).reasons[0].text == (
        "last changed 85 s before the metrics were pulled (in); cooldown.out is 2m, 35 s too soon"
    )


@pytest.mark.parametrize(
    ("name", "pulled_ago", "out_ago", "expected"),
    [
        ("pulled after the rest", 0, 121, (6, "untouched")),
        ("rested by now, and not when the metrics were pulled", 30, 149, (4, "cooldown")),
        ("at the end of the cooldown", 30, 150, (6, "untouched")),
        ("pulled in the future by a clock that runs ahead", -600, 60, (4, "cooldown")),
        ("on no metrics at all", None, 120, (6, "untouched")),
    ],
)
def test_cooldown_counts_to_the_pull(name, pulled_ago, out_ago, expected):
    """The rest is for the change to show in the metrics, so it counts to their pull, not to the decision."""
    remembered = context(memory={"last_out_at": NOW - timedelta(seconds=out_ago)})
    asked = replace(remembered, pulled_at=None if pulled_ago is None else NOW - timedelta(seconds=pulled_ago))

    assert outcome(cooldown(candidate(4, 6), asked)) == expected, name


@pytest.mark.parametrize("wanted", [6, 3])
@pytest.mark.parametrize(
    ("name", "pulled_ago", "changed", "code"),
    [
        ("pulled before the change", 31, {"last_out_at": 30}, "changed_since_pull"),
        ("pulled in the moment of the change", 30, {"last_in_at": 30}, "changed_since_pull"),
        ("the newer change counts", 31, {"last_in_at": 30, "last_out_at": 300}, "changed_since_pull"),
        ("pulled after it", 29, {"last_out_at": 30}, "untouched"),
        ("never changed", 31, {}, "untouched"),
        ("on no metrics at all", None, {"last_out_at": 30}, "untouched"),
    ],
)
def test_since_pull(name, pulled_ago, changed, code, wanted):
    """Metrics from before the target's last change justify no other one, in either direction."""
    memory = {side: NOW - timedelta(seconds=ago) for side, ago in changed.items()}
    pulled_at = None if pulled_ago is None else NOW - timedelta(seconds=pulled_ago)
    found = since_pull(candidate(4, wanted), replace(context(memory=memory), pulled_at=pulled_at))

    assert outcome(found) == (wanted if code == "untouched" else 4, code), name


@pytest.mark.parametrize(("wanted", "blocks", "held"), [(6, ("scale_out",), True), (3, ("scale_out",), False)])
def test_operation(wanted, blocks, held):
    """An operation in progress holds the directions it forbids, and no other."""
    refresh = Operation(kind="instance_refresh", detail="40 % done", blocks=blocks)
    found = operation(candidate(4, wanted), context(operations=(refresh,)))

    assert outcome(found) == ((4, "operation_in_progress") if held else (wanted, "untouched"))
    assert not held or "instance_refresh (40 % done)" in found.reasons[0].text


def test_an_operation_that_says_a_lot_fits_into_a_reason():
    """A provider's endless detail is cut, not refused."""
    found = operation(candidate(4, 6), context(operations=(Operation(kind="refresh", detail="x" * 5000),)))

    assert len(found.reasons[0].text) == 1000


def test_open_change():
    """While another change of the target is open, nothing moves."""
    assert outcome(open_change(candidate(4, 6), context())) == (6, "untouched")
    found = open_change(candidate(4, 6), context(memory={"open_change_id": "abc"}))

    assert outcome(found) == (4, "change_in_progress")


@pytest.mark.parametrize(
    ("name", "verdict", "on_degraded", "wanted", "expected"),
    [
        ("clean", Verdict.PASS, "hold", 3, (3, "untouched")),
        ("degraded holds by default", Verdict.DEGRADED, "hold", 6, (4, "quality_degraded")),
        ("degraded may scale out where the policy says so", Verdict.DEGRADED, "hold_scale_in", 6, (6, "untouched")),
        ("degraded never scales in", Verdict.DEGRADED, "hold_scale_in", 3, (4, "quality_degraded")),
        ("failed", Verdict.FAIL, "hold_scale_in", 6, (4, "quality_failed")),
    ],
)
def test_quality(name, verdict, on_degraded, wanted, expected):
    """Scaling in needs clean data; scaling out on degraded data needs the policy's word."""
    trust = trust_of(a_report({"web-1": {"cpu": verdict}}).series, ("cpu",))
    asked = GuardContext(
        a_policy(quality={"cpu": {"on_degraded": on_degraded}}),
        a_state(),
        trust,
        TargetMemory(target="web-1"),
        NOW,
    )

    assert outcome(quality(candidate(4, wanted), asked)) == expected, name


def test_scaling_out_on_degraded_data_is_told():
    """A change made on degraded data says so among its reasons."""
    trust = trust_of(a_report({"web-1": {"cpu": Verdict.DEGRADED}}).series, ("cpu",))
    policy = a_policy(quality={"cpu": {"on_degraded": "hold_scale_in"}})
    found = quality(candidate(4, 6), GuardContext(policy, a_state(), trust, TargetMemory(target="web-1"), NOW))

    assert [one.code for one in found.reasons] == ["above_threshold", "degraded_scale_out"]


def test_a_constraint_records_before_and_after():
    """What a guard did is recorded with where the proposal stood before and after; holding puts its reason first."""
    moved = bounds(candidate(9, 14), context(desired=9))
    held = cooldown(moved, context(desired=9, memory={"last_out_at": NOW}))

    assert [(one.guard, one.from_units, one.to_units) for one in held.constraints] == [
        ("bounds", 14, 10),
        ("cooldown", 10, 9),
    ]
    assert [one.code for one in held.reasons] == ["cooldown", "above_threshold", "bounds"]
    assert held.action is Action.HOLD


def an_unjudged(until_judged: str, ago: timedelta = timedelta(minutes=1), from_units: int = 2) -> GuardContext:
    """A target whose last change nobody has judged yet: in service within 10 minutes, watched for 5."""
    feedback = {"after": "5m", "healthy": {"cpu": {"max": 90}}, "until_judged": until_judged}
    remembered = TargetMemory(
        target="web-1", last_out_at=NOW - ago, unjudged_change_id="abc", last_from_units=from_units
    )
    return GuardContext(a_policy(feedback=feedback), a_state(), CLEAN, remembered, NOW)


@pytest.mark.parametrize(
    ("until_judged", "wanted", "expected"),
    [
        ("hold", 6, (4, "change_unjudged")),
        ("hold", 3, (4, "change_unjudged")),
        ("hold_scale_in", 6, (6, "untouched")),
        ("hold_scale_in", 3, (4, "change_unjudged")),
    ],
)
def test_unjudged(until_judged, wanted, expected):
    """A change waits for the verdict on the one before; a growing load only where the policy says hold."""
    assert outcome(unjudged(candidate(4, wanted), an_unjudged(until_judged))) == expected


def test_unjudged_says_which_change_and_how_long():
    """The reason names the change, its age, the rule, and when the wait ends at the latest."""
    held = unjudged(candidate(4, 3), an_unjudged("hold_scale_in"))

    assert held.reasons[0].text == (
        "change abc of web-1, 60 s ago, still waits for its verdict or its roll-back; "
        "until_judged is hold_scale_in, 1740 s left at most"
    )


@pytest.mark.parametrize(("short_of", "expected"), [(1, "change_unjudged"), (0, "untouched"), (-1, "untouched")])
def test_a_dead_run_does_not_hold_for_ever(short_of, expected):
    """Once any run would have judged the change, and a quarter of an hour more has passed, nothing waits for it."""
    ago = timedelta(minutes=15) + DEAD_AFTER - timedelta(seconds=short_of)

    assert outcome(unjudged(candidate(4, 3), an_unjudged("hold", ago)))[1] == expected


def test_an_unjudged_change_in_the_future_is_just_now():
    """A clock that was set back does not let a change through."""
    held = unjudged(candidate(4, 3), an_unjudged("hold", -timedelta(minutes=1)))

    assert "0 s ago" in held.reasons[0].text


@pytest.mark.parametrize(
    ("from_units", "expected"), [(1, "untouched"), (2, "change_unjudged"), (10, "change_unjudged"), (11, "untouched")]
)
def test_nothing_waits_for_the_verdict_on_a_repair(from_units, expected):
    """A change from outside the policy's 2 to 10 is never taken back, so its verdict is not worth a frozen fleet."""
    assert outcome(unjudged(candidate(4, 6), an_unjudged("hold", from_units=from_units)))[1] == expected


def test_an_unjudged_change_has_a_time():
    """A memory that could not say since when a change waits for its verdict is refused: the wait would have no end."""
    with pytest.raises(ValidationError, match="when it was applied"):
        TargetMemory(target="web-1", unjudged_change_id="abc")
