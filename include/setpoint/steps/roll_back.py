"""Take a harmful change back, as a change of its own."""

from __future__ import annotations

from datetime import timedelta

from setpoint.ledger import Ledger
from setpoint.model import Change, ChangeState, Followed, Outcome
from setpoint.model.decision import Reason
from setpoint.planning.rollback import plan_rollback
from setpoint.policy.schema import Policy
from setpoint.steps.apply import Clock, carry_out
from setpoint.targets.contract import Target

ROLLBACK_LIFETIME = timedelta(minutes=10)


def roll_back(
    change: Change, outcome: Outcome, *, policy: Policy, target: Target, ledger: Ledger, clock: Clock
) -> Change | Reason | None:
    """Take a change back when its outcome says so.

    :returns: ``None`` when nothing is to be taken back; the change that took it back; or why it could not be.
    :raises TargetError: retryable, as in :func:`setpoint.steps.apply.carry_out`.
    """
    if outcome.followed is not Followed.ROLL_BACK:
        return None
    earlier = _begun(change, ledger)
    if earlier is not None:
        return carry_out(
            earlier.plan,
            policy=policy,
            plan_expires_at=earlier.intended_at + ROLLBACK_LIFETIME,
            target=target,
            ledger=ledger,
            clock=clock,
        )
    state = target.read([change.plan.target]).get(change.plan.target)
    if state is None:
        return Reason(code="target_missing", text=f"{change.plan.target} no longer exists: nothing to take back")
    planned = plan_rollback(change, state, policy, outcome)
    if isinstance(planned, Reason):
        return planned
    return carry_out(
        planned,
        policy=policy,
        plan_expires_at=clock() + ROLLBACK_LIFETIME,
        target=target,
        ledger=ledger,
        clock=clock,
    )


def _begun(change: Change, ledger: Ledger) -> Change | None:
    """A rollback of this change that an earlier attempt began."""
    for one in ledger.changes_of(change.plan.run_id):
        if one.plan.reverts == change.change_id and one.state is not ChangeState.REFUSED:
            return one
    return None
