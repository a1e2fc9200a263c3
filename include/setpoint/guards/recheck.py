"""The guards again, at the moment of applying: between deciding and applying, the world moved on."""

from __future__ import annotations

from datetime import datetime

from setpoint.guards.bounds import Bounds
from setpoint.guards.cooldown import still_resting
from setpoint.guards.max_step import beyond_step
from setpoint.guards.memory import TargetMemory
from setpoint.guards.open_change import blocked_by_change
from setpoint.guards.operation import blocked_by_operation
from setpoint.guards.since_pull import changed_since_pull
from setpoint.guards.unjudged import waits_for_verdict
from setpoint.model import PlannedChange, Reason, TargetState
from setpoint.policy.schema import Policy


def recheck(
    change: PlannedChange,
    *,
    plan_expires_at: datetime,
    policy: Policy,
    state: TargetState | None,
    memory: TargetMemory | None,
    now: datetime,
) -> Reason | None:
    """Why a planned change must not be applied after all, or ``None``.

    In this order: ``dry_run``, ``plan_expired``, ``target_missing``, ``capacity_moved``, ``operation_in_progress``,
    ``change_in_progress``, ``changed_since_pull``, ``change_unjudged``, ``out_of_bounds``, ``max_step``, ``cooldown``.
    A target that stands at ``to_units`` already is let through, for ``apply`` to say ``no_op``: that is how a retry
    after a crash ends.

    A change that takes another one back waits for no verdict, step or cooldown: harm does not wait, and it rests on no
    metrics that could be old. One that starts outside the policy's bounds, such as a repair, waits for no verdict.

    :param plan_expires_at: the plan's expiry; a change is refused from that moment on.
    :param state: how the target stands now; ``None`` when it could not be read.
    :param memory: what the ledger remembers of the target now; ``None`` when it never changed.
    """
    if change.dry_run or policy.dry_run:
        return Reason.of("dry_run", f"{_words(change)} was decided in a dry run: recorded, not carried out")
    if now >= plan_expires_at:
        return Reason.of(
            "plan_expired", f"{_words(change)} was planned to be carried out before {plan_expires_at:%FT%TZ}"
        )
    if state is None:
        return Reason.of("target_missing", f"{change.target} is not there any more")
    if state.desired_units == change.to_units:
        return None
    if state.desired_units != change.from_units:
        text = f"{_words(change)}, but it has {state.desired_units} now: somebody else moved it"
        return Reason.of("capacity_moved", text)
    memory = memory or TargetMemory(target=change.target)
    return (
        blocked_by_operation(state, change.action)
        or blocked_by_change(memory, change.change_id, change.reverts)
        or changed_since_pull(memory, change.metrics_pulled_at)
        or _overtakes_verdict(change, policy, memory, now)
        or out_of_bounds(change, policy, state)
        or (None if change.reverts else _beyond_limits(change, policy, memory, now))
    )


def out_of_bounds(change: PlannedChange, policy: Policy, state: TargetState) -> Reason | None:
    """Why a change leads out of the bounds as they are now, or ``None``."""
    allowed = Bounds.of(policy.limits, state)
    if allowed.low <= allowed.high and allowed.allow(change.from_units, change.to_units):
        return None
    return Reason.of("out_of_bounds", f"{_words(change)} is out of bounds: {allowed.text}")


def _overtakes_verdict(change: PlannedChange, policy: Policy, memory: TargetMemory, now: datetime) -> Reason | None:
    inside = policy.limits.min <= change.from_units <= policy.limits.max
    if change.reverts or not inside:
        return None
    return waits_for_verdict(policy, memory, change.action, now)


def _beyond_limits(change: PlannedChange, policy: Policy, memory: TargetMemory, now: datetime) -> Reason | None:
    limits = policy.limits
    return beyond_step(limits, change.action, change.from_units, change.to_units) or still_resting(
        limits, memory, change.action, now, change.metrics_pulled_at
    )


def _words(change: PlannedChange) -> str:
    return f"{change.target} from {change.from_units} to {change.to_units}"
