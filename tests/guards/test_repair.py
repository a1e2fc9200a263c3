"""Bringing a target back inside the bounds."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.guards.memory import TargetMemory
from setpoint.guards.recheck import recheck
from setpoint.guards.repair import decide_repair
from setpoint.model import Action, Decision, Operation, PlannedChange
from setpoint.testing.values import NOW, a_policy, a_state


def repaired(desired: int, limits: dict[str, Any] | None = None, memory: Any = None, **state: Any) -> Decision | None:
    """Repair a target under a policy of 2 to 10 that repairs."""
    policy = a_policy(limits={"min": 2, "max": 10, **(limits or {})}, reconcile="repair")
    return decide_repair(policy, run_id="run-1", state=a_state(desired=desired, **state), memory=memory, now=NOW)


@pytest.mark.parametrize("desired", [2, 5, 10])
def test_leaves_alone_what_stands_inside(desired):
    """Inside the bounds nothing is repaired: that may be a person's own choice."""
    assert repaired(desired) is None


@pytest.mark.parametrize(
    ("desired", "step", "to_units", "action"),
    [
        (14, {}, 10, Action.SCALE_IN),
        (0, {}, 2, Action.SCALE_OUT),
        (14, {"in": 1}, 13, Action.SCALE_IN),
        (0, {"out": 1}, 1, Action.SCALE_OUT),
    ],
)
def test_goes_to_the_nearest_bound_in_steps(desired, step, to_units, action):
    """The way back leads to the nearest bound, no further, and not faster than the policy allows."""
    decision = repaired(desired, {"max_step": step})

    assert (decision.to_units, decision.action, decision.reasons[0].code) == (to_units, action, "repair")


def test_waits_for_what_any_change_waits_for():
    """An operation in progress, another change and a cooldown hold a repair too."""
    refresh = Operation(kind="instance_refresh", detail="in progress")
    busy = TargetMemory(target="web-1", open_change_id="other")
    resting = TargetMemory(target="web-1", last_out_at=NOW - timedelta(minutes=1))

    assert repaired(14, operations=(refresh,)).reasons[0].code == "operation_in_progress"
    assert repaired(14, memory=busy).reasons[0].code == "change_in_progress"
    assert repaired(14, memory=resting).reasons[0].code == "cooldown"


def test_does_not_wait_for_a_verdict():
    """The bounds come first: deciding and applying, a target outside them is brought back before any verdict."""
    feedback = {"after": "5m", "healthy": {"cpu": {"max": 90}}, "until_judged": "hold"}
    policy = a_policy(reconcile="repair", feedback=feedback)
    unjudged = TargetMemory(target="web-1", last_out_at=NOW - timedelta(minutes=11), unjudged_change_id="abc")
    state = a_state(desired=14)
    decision = decide_repair(policy, run_id="run-1", state=state, memory=unjudged, now=NOW)

    assert (decision.action, decision.to_units) == (Action.SCALE_IN, 10)
    change = PlannedChange.of(decision, policy.targets.kind)
    later = NOW + timedelta(minutes=10)
    assert recheck(change, plan_expires_at=later, policy=policy, state=state, memory=unjudged, now=NOW) is None


def test_says_when_the_provider_forbids_it():
    """A provider that allows nothing of what the policy allows is a conflict for a person to solve."""
    decision = repaired(20, min_units=15)

    assert (decision.action, decision.reasons[0].code) == (Action.HOLD, "bounds_conflict")


def test_a_dry_policy_repairs_dry():
    """What a dry policy would repair is decided and marked, for the recheck to refuse."""
    policy = a_policy(dry_run=True, reconcile="repair")
    decision = decide_repair(policy, run_id="run-1", state=a_state(desired=14), memory=None, now=NOW)

    assert (decision.to_units, decision.dry_run) == (10, True)


@given(desired=st.integers(0, 40), step=st.fixed_dictionaries({}, optional={"in": st.integers(1, 9)}))
def test_repeated_repairs_end_inside(desired, step):
    """Repairing again and again brings every target inside, each step being one that may be applied."""
    policy = a_policy(limits={"min": 2, "max": 10, "max_step": step}, reconcile="repair")
    for _ in range(41):
        state = a_state(desired=desired)
        decision = decide_repair(policy, run_id="run-1", state=state, memory=None, now=NOW)
        if decision is None:
            break
        change = PlannedChange.of(decision, policy.targets.kind)
        later = NOW + timedelta(minutes=10)
        assert recheck(change, plan_expires_at=later, policy=policy, state=state, memory=None, now=NOW) is None
        desired = decision.to_units

    assert 2 <= desired <= 10
