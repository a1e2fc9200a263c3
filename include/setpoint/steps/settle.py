"""Change, continued: wait until the capacity is in service, and know a failed launch from a slow one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from setpoint.ledger import Ledger
from setpoint.model import Action, Change, ChangeState, Reason, TargetState
from setpoint.policy.schema import Policy
from setpoint.steps.look import look_again
from setpoint.targets.contract import TargetReader


def settle_by(change: Change, policy: Policy) -> datetime:
    """The moment until which a change's capacity may take to be in service."""
    return (change.applied_at or change.intended_at) + policy.feedback.in_service_timeout


def settle(
    changes: Sequence[Change], *, policy: Policy, target: TargetReader, ledger: Ledger, now: datetime
) -> tuple[Change, ...]:
    """Look once: settle the applied changes whose capacity is in service or whose time is up.

    :returns: the changes as they now stand; those still ``applied`` are still waiting.
    """
    waiting = [one for one in changes if one.state is ChangeState.APPLIED]
    if not waiting:
        return tuple(changes)
    states = target.read([one.plan.target for one in waiting])
    after = {one.change_id: _look(one, states.get(one.plan.target), policy, target, ledger, now) for one in waiting}
    return tuple(after.get(one.change_id, one) for one in changes)


def _look(
    change: Change, state: TargetState | None, policy: Policy, target: TargetReader, ledger: Ledger, now: datetime
) -> Change:
    plan = change.plan
    if state is None or state.desired_units != plan.to_units:
        state = look_again(target, plan.target, state)
    if state is None:
        reason = Reason(code="target_missing", text=f"{plan.target} no longer exists")
        return ledger.settle_change(change.change_id, reason, now)
    if target.settled(plan, state):
        text = f"{plan.target} has {state.in_service_units} of {plan.to_units} {state.unit}s in service"
        return ledger.settle_change(change.change_id, Reason(code="in_service", text=text), now)
    if state.desired_units != plan.to_units:
        text = f"{plan.target} now wants {state.desired_units}, not the {plan.to_units} of this change"
        return ledger.settle_change(change.change_id, Reason(code="superseded", text=text), now)
    health = target.health(plan.target, change.applied_at or change.intended_at)
    # Scaling in cancels launches that are still on their way, and that is no failure of the change.
    if health.failed and plan.action is Action.SCALE_OUT:
        said = health.failed[0].status_message or health.failed[0].description
        text = f"{plan.target}: the provider could not launch: {said}"
        return ledger.settle_change(change.change_id, Reason(code="launch_failed", text=text[:1000]), now)
    if now >= settle_by(change, policy):
        waited = (now - (change.applied_at or change.intended_at)) // timedelta(seconds=1)
        text = (
            f"{plan.target} has {state.in_service_units} of {plan.to_units} {state.unit}s in service "
            f"after {waited} s; the policy allows {policy.feedback.in_service_timeout.total_seconds():g} s"
        )
        return ledger.settle_change(change.change_id, Reason(code="not_in_service_in_time", text=text), now)
    return change
