"""The guards again, when a change is about to be applied."""

from datetime import timedelta
from typing import Any

import pytest

from setpoint.guards.memory import TargetMemory
from setpoint.guards.recheck import recheck
from setpoint.model import Operation, PlannedChange, TargetState
from setpoint.policy.schema import Policy
from setpoint.testing.values import NOW, a_planned_change, a_policy, a_state

LATER = NOW + timedelta(minutes=10)
LONG_AGO = NOW - timedelta(hours=2)
UNJUDGED = {"last_out_at": NOW - timedelta(minutes=11), "unjudged_change_id": "another"}
REFRESH = Operation(kind="instance_refresh", detail="40 % done")


def refusal(
    change: PlannedChange | None = None,
    state: TargetState | None = None,
    policy: Policy | None = None,
    memory: dict[str, Any] | None = None,
    **fields: Any,
) -> str | None:
    """The code that refuses a change from 4 to 6 of a target at 4, unless told otherwise; ``None`` lets it through."""
    arguments: dict[str, Any] = {
        "plan_expires_at": LATER,
        "policy": policy or a_policy(),
        "state": state or a_state(),
        "memory": TargetMemory(target="web-1", **memory) if memory else None,
        "now": NOW,
        **fields,
    }
    reason = recheck(change or a_planned_change(), **arguments)
    return reason.code if reason else None


def test_lets_through_what_still_holds():
    """A change is applied when nothing moved since it was decided."""
    assert refusal() is None


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("a dry run", {"change": a_planned_change(dry_run=True)}, "dry_run"),
        ("a policy that became dry", {"policy": a_policy(dry_run=True)}, "dry_run"),
        ("at the moment the plan expires", {"now": LATER}, "plan_expired"),
        ("capacity moved by hand", {"state": a_state(desired=5)}, "capacity_moved"),
        ("an operation began", {"state": a_state(operations=(REFRESH,))}, "operation_in_progress"),
        ("another change began", {"memory": {"open_change_id": "other"}}, "change_in_progress"),
        ("the provider's bounds moved", {"state": a_state(max_units=5)}, "out_of_bounds"),
        ("the policy's bounds moved", {"policy": a_policy(limits={"min": 2, "max": 5})}, "out_of_bounds"),
        ("bounds no longer meet", {"state": a_state(min_units=20)}, "out_of_bounds"),
        (
            "the policy's step became smaller",
            {"policy": a_policy(limits={"min": 2, "max": 10, "max_step": {"out": 1}})},
            "max_step",
        ),
        ("changed a moment ago", {"memory": {"last_out_at": NOW}}, "cooldown"),
        (
            "changed after its metrics were pulled, long ago",
            {
                "change": a_planned_change(metrics_pulled_at=LONG_AGO),
                "memory": {"last_in_at": NOW - timedelta(hours=1)},
            },
            "changed_since_pull",
        ),
        (
            "at rest when its metrics were pulled",
            {
                "change": a_planned_change(metrics_pulled_at=LONG_AGO),
                "memory": {"last_in_at": LONG_AGO - timedelta(seconds=60)},
            },
            "cooldown",
        ),
    ],
)
def test_refuses_what_no_longer_holds(name, given, code):
    """Whatever moved between deciding and applying is a refusal with its own code."""
    assert refusal(**given) == code, name


def test_refuses_a_target_that_is_gone():
    """A target that cannot be read is not changed."""
    assert (
        recheck(a_planned_change(), plan_expires_at=LATER, policy=a_policy(), state=None, memory=None, now=NOW).code
        == "target_missing"
    )


def test_lets_a_retry_find_its_own_work():
    """After a crash the target stands where the change wanted it: that is for apply to call a no-op, not a refusal."""
    own = {"open_change_id": a_planned_change().change_id, "last_out_at": NOW}

    assert refusal(state=a_state(desired=6), memory=own) is None


def test_its_own_intent_does_not_block_it():
    """The change's own record in the ledger is not another change."""
    assert refusal(memory={"open_change_id": a_planned_change().change_id}) is None


def test_a_rollback_does_not_wait_for_step_or_cooldown():
    """Taking a harmful change back skips cooldown and step, and the change it takes back does not block it."""
    harmful = a_planned_change(metrics_pulled_at=LONG_AGO)
    back = harmful.reversed("it hurt")
    strict = a_policy(limits={"min": 2, "max": 10, "max_step": {"in": 1}})
    memory = {"last_out_at": NOW, "open_change_id": harmful.change_id}

    assert refusal(back, a_state(desired=6), strict, memory) is None


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"state": a_state(desired=6, operations=(REFRESH,))}, "operation_in_progress"),
        ({"state": a_state(desired=6, min_units=5)}, "out_of_bounds"),
        ({"state": a_state(desired=7)}, "capacity_moved"),
        ({"state": a_state(desired=6), "memory": {"open_change_id": "a third one"}}, "change_in_progress"),
        ({"state": a_state(desired=6), "now": LATER}, "plan_expired"),
    ],
)
def test_a_rollback_keeps_to_every_other_guard(given, code):
    """Everything but step and cooldown binds a rollback too."""
    assert refusal(a_planned_change().reversed("it hurt"), **given) == code


def test_a_target_outside_the_bounds_may_come_back_in_steps():
    """A change towards the bounds from outside is applied, though it does not reach them yet."""
    assert refusal(a_planned_change(from_units=14, to_units=13), a_state(desired=14)) is None


@pytest.mark.parametrize(
    ("until_judged", "to_units", "code"),
    [
        ("hold", 6, "change_unjudged"),
        ("hold", 3, "change_unjudged"),
        ("hold_scale_in", 6, None),
        ("hold_scale_in", 3, "change_unjudged"),
    ],
)
def test_waits_for_the_verdict_on_a_change_that_came_in_between(until_judged, to_units, code):
    """Another run's change that nobody has judged yet is not followed, by the same rule as when deciding."""
    policy = a_policy(feedback={"after": "5m", "healthy": {"cpu": {"max": 90}}, "until_judged": until_judged})

    assert refusal(a_planned_change(to_units=to_units), policy=policy, memory=UNJUDGED) == code


def test_a_rollback_does_not_wait_for_a_verdict():
    """Taking a harmful change back follows a verdict: it cannot wait for one."""
    policy = a_policy(feedback={"after": "5m", "healthy": {"cpu": {"max": 90}}, "until_judged": "hold"})
    harmful = a_planned_change()
    memory = {**UNJUDGED, "unjudged_change_id": harmful.change_id}

    assert refusal(harmful.reversed("it hurt"), a_state(desired=6), policy, memory) is None


@pytest.mark.parametrize(("from_units", "to_units"), [(14, 10), (1, 2)])
def test_a_target_outside_the_bounds_does_not_wait_for_a_verdict(from_units, to_units):
    """What brings a target back inside the policy's bounds is let through: the bounds come first."""
    policy = a_policy(feedback={"after": "5m", "healthy": {"cpu": {"max": 90}}, "until_judged": "hold"})

    assert (
        refusal(a_planned_change("web-1", from_units, to_units), a_state(desired=from_units), policy, UNJUDGED) is None
    )
