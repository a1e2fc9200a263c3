"""The way back: a change that takes a harmful one back."""

from __future__ import annotations

from setpoint.guards.recheck import out_of_bounds
from setpoint.model import Change, Outcome, PlannedChange, Reason, TargetState
from setpoint.policy.schema import Policy


def plan_rollback(
    change: Change, state: TargetState, policy: Policy, outcome: Outcome, attempt: int = 1
) -> PlannedChange | Reason:
    """The change that brings a target back to where it stood, or why there is none.

    Only an effective change is taken back, only while the target still stands where it left it, and only to a capacity
    inside the bounds of today. A rollback is not itself rolled back: a fleet must not swing to and fro by its own hand.
    Whether the provider lets it is asked again when it is applied (:func:`setpoint.guards.recheck.recheck`).

    :param state: how the target stands now.
    :param outcome: the outcome that asks for it; its first reason becomes the new change's.
    :param attempt: from 1; each attempt is a change of its own, so that each is on record with what came of it.
    """
    plan = change.plan
    if plan.reverts is not None:
        text = f"change {change.change_id} itself took {plan.reverts} back, and a rollback is not rolled back"
        return Reason.of("rollback_of_rollback", text)
    if not change.state.effective:
        text = f"change {change.change_id} of {plan.target} is {change.state}: there is nothing to take back"
        return Reason.of("not_effective", text)
    if state.desired_units == plan.from_units:
        return Reason.of("already_back", f"{plan.target} has its {plan.from_units} {state.unit}s from before again")
    if state.desired_units != plan.to_units:
        text = f"{plan.target} was left at {plan.to_units} and has {state.desired_units} now: a later change holds"
        return Reason.of("superseded", text)
    back = plan.reversed(f"takes change {change.change_id} back: {outcome.reasons[0].text}", attempt)
    return out_of_bounds(back, policy, state) or back
