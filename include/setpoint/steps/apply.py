"""Change: carry out one planned change, once, whatever dies in between.

Intent is written before the call and the result after it. A second attempt at the same change finds the intent, reads
the target, and sees whether the first attempt's call went through.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from setpoint.failpoints import reached
from setpoint.guards.recheck import recheck
from setpoint.ledger import Ledger, TargetBusy
from setpoint.model import ApplyResult, Change, ChangeState, PlannedChange, Reason
from setpoint.policy.schema import Policy
from setpoint.targets.contract import Target, TargetError

Clock = Callable[[], datetime]


def carry_out(
    change: PlannedChange,
    *,
    policy: Policy,
    plan_expires_at: datetime,
    target: Target,
    ledger: Ledger,
    clock: Clock,
) -> Change:
    """Carry out a change and return how far it came; refusals and failures are results, not exceptions.

    :raises TargetError: retryable, and it is unknown whether the provider took the call. The change stays ``applying``;
        call again with the same change, or leave it to reconciliation.
    """
    without = ended_without_target(change, policy=policy, ledger=ledger, clock=clock)
    if without is not None:
        return without
    reached("before_intent", change.policy)
    try:
        begun = ledger.begin_change(change, clock())
    except TargetBusy as busy:
        reason = Reason(
            code="change_in_progress",
            text=f"{change.target} is being changed by {busy.open_change_id}; this change was not started",
        )
        return ledger.refuse_change(change, reason, clock())
    reached("after_intent", change.policy)
    result = _attempt(change, begun.attempts, policy, plan_expires_at, target, ledger, clock)
    reached("during_rollback" if change.reverts else "after_call", change.policy)
    ended = ledger.finish_change(change.change_id, result, clock())
    reached("after_result", change.policy)
    return ended


def ended_without_target(change: PlannedChange, *, policy: Policy, ledger: Ledger, clock: Clock) -> Change | None:
    """What becomes of a change without its target being asked: it has ended already, or it is a dry run.

    :returns: ``None`` when something that can change the target is needed. Ask before it is built: where nothing may be
        changed, there is then no client that could.
    """
    known = ledger.change(change.change_id)
    if known is not None:
        # Begun, so an earlier attempt's call may have gone through: only the target knows.
        return None if known.state is ChangeState.APPLYING else known
    if change.dry_run or policy.dry_run:
        return ledger.refuse_change(change, _dry_run(change), clock())
    return None


def _attempt(
    change: PlannedChange,
    attempts: int,
    policy: Policy,
    plan_expires_at: datetime,
    target: Target,
    ledger: Ledger,
    clock: Clock,
) -> ApplyResult:
    try:
        state = target.read([change.target]).get(change.target)
        if state is None:
            return _result(ChangeState.REFUSED, "target_missing", f"{change.target} no longer exists")
        if attempts > 1 and state.desired_units == change.to_units:
            text = f"{change.target} already wants {change.to_units}: the call of an earlier attempt went through"
            return _result(ChangeState.APPLIED, "applied_by_earlier_attempt", text)
        now = clock()
        memory = ledger.memory(change.policy, [change.target], change.target_kind, now).get(change.target)
        refusal = recheck(change, plan_expires_at=plan_expires_at, policy=policy, state=state, memory=memory, now=now)
        if refusal is not None:
            return ApplyResult(state=ChangeState.REFUSED, reason=refusal, before=state)
        return target.apply(change)
    except TargetError as error:
        if error.retryable:
            raise
        return _result(ChangeState.FAILED, "provider_error", f"{change.target}: {error}")


def _dry_run(change: PlannedChange) -> Reason:
    return Reason(
        code="dry_run",
        text=f"dry run: {change.target} would have gone from {change.from_units} to {change.to_units}",
    )


def _result(state: ChangeState, code: str, text: str) -> ApplyResult:
    return ApplyResult(state=state, reason=Reason(code=code, text=text[:1000]))
