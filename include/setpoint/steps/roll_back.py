"""Take a harmful change back, as a change of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from setpoint.guards.recheck import recheck
from setpoint.ledger import Ledger
from setpoint.model import Change, ChangeState, Followed, Outcome, PlannedChange, Reason, TargetState
from setpoint.planning.rollback import plan_rollback
from setpoint.policy.schema import Policy
from setpoint.steps.apply import Clock, carry_out, ended_without_target
from setpoint.steps.patience import Patience
from setpoint.targets.contract import Target, TargetReader

ROLLBACK_LIFETIME = timedelta(minutes=10)

ROLLBACK_WITHIN = timedelta(hours=24)
"""How long after its outcome a change may still be taken back. What has stood for longer is a person's to decide on."""

ROLLBACK_ATTEMPTS = 5
"""How many times a change is tried to be taken back, its own run's attempt included. Each is a change on record."""


def roll_back(
    change: Change,
    outcome: Outcome,
    *,
    policy: Policy,
    reader: TargetReader,
    target: Callable[[], Target],
    ledger: Ledger,
    clock: Clock,
    attempts: int = 1,
    patience: Patience | None = None,
) -> Change | Reason | None:
    """Take a change back when its outcome says so; at most once, however many attempts that takes.

    The next attempt is only planned when all earlier ones have ended as refused or failed, which is for good; so no two
    of them can both take effect.

    :param target: builds what can change the target; called only when that is to be done.
    :param attempts: attempts there may be in all. From the second on, and wherever more than one is allowed, an
        obstacle that can be seen beforehand is returned as a reason and does not use an attempt up.
    :param patience: as in :func:`setpoint.steps.apply.carry_out`.
    :returns: ``None`` when nothing is to be taken back; the change that took it back, or the last one that tried to; or
        why there is none.
    :raises TargetError: retryable, as in :func:`setpoint.steps.apply.carry_out`.
    """
    if outcome.followed is not Followed.ROLL_BACK:
        return None
    earlier = ledger.rollbacks_of(change.change_id)
    last = earlier[-1] if earlier else None
    if last is not None and not _came_to_nothing(last):
        return _carry_out(last.plan, last.intended_at + ROLLBACK_LIFETIME, policy, target, ledger, clock, patience)
    if last is not None and len(earlier) >= attempts:
        return last
    later = ledger.superseded_by(change.change_id)
    if later is not None:
        text = f"change {later.change_id} moved {later.plan.target} on to {later.plan.to_units} since"
        return Reason.of("superseded", text)
    state = reader.read([change.plan.target]).get(change.plan.target)
    if state is None:
        return Reason(code="target_missing", text=f"{change.plan.target} no longer exists: nothing to take back")
    planned = plan_rollback(change, state, policy, outcome, len(earlier) + 1)
    if isinstance(planned, Reason):
        return planned
    if attempts > 1:
        obstacle = _obstacle(planned, state, policy, ledger, clock)
        if obstacle is not None:
            return obstacle
    return _carry_out(planned, clock() + ROLLBACK_LIFETIME, policy, target, ledger, clock, patience)


def _came_to_nothing(rollback: Change) -> bool:
    return rollback.state in (ChangeState.REFUSED, ChangeState.FAILED)


def _obstacle(
    planned: PlannedChange, state: TargetState, policy: Policy, ledger: Ledger, clock: Clock
) -> Reason | None:
    now = clock()
    memory = ledger.memory(planned.policy, [planned.target], planned.target_kind, now).get(planned.target)
    expires_at = now + ROLLBACK_LIFETIME
    return recheck(planned, plan_expires_at=expires_at, policy=policy, state=state, memory=memory, now=now)


def _carry_out(
    planned: PlannedChange,
    expires_at: datetime,
    policy: Policy,
    target: Callable[[], Target],
    ledger: Ledger,
    clock: Clock,
    patience: Patience | None,
) -> Change:
    ended = ended_without_target(planned, policy=policy, ledger=ledger, clock=clock)
    if ended is not None:
        return ended
    return carry_out(
        planned,
        policy=policy,
        plan_expires_at=expires_at,
        target=target(),
        ledger=ledger,
        clock=clock,
        patience=patience,
    )
