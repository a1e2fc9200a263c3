"""Change: carry out one planned change, once, whatever dies in between.

Intent is written before the call and the result after it, and between the two the target's lease is held. A second
attempt at the same change finds the intent, takes the lease when the first one is over, reads the target, and sees
whether the first attempt's call went through.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime

from setpoint.failpoints import reached
from setpoint.guards.recheck import recheck
from setpoint.ledger import Ledger, TargetBusy
from setpoint.model import ApplyResult, Change, ChangeState, PlannedChange, Reason, TargetState
from setpoint.policy.schema import Policy
from setpoint.steps.hold import Clock, Hold, begin
from setpoint.steps.look import LOOKS, same_capacity
from setpoint.steps.patience import Patience
from setpoint.targets.contract import Permit, Target, TargetError

__all__ = ["Clock", "carry_out", "ended_without_target"]


def carry_out(
    change: PlannedChange,
    *,
    policy: Policy,
    plan_expires_at: datetime,
    target: Target,
    ledger: Ledger,
    clock: Clock,
    patience: Patience | None = None,
) -> Change:
    """Carry out a change and return how far it came; refusals and failures are results, not exceptions.

    While another attempt at the same change may still be at work, this one waits: for that attempt's end, or until its
    lease runs out.

    :param patience: how long a call that may succeed later is tried again here; shared by the changes of one task.
    :raises TargetError: retryable, and it is unknown whether the provider took the call, or another attempt is at work.
        The change stays ``applying``; call again with the same change, or leave it to reconciliation.
    """
    patience = patience or Patience()
    if change.dry_run or policy.dry_run:
        without = ended_without_target(change, policy=policy, ledger=ledger, clock=clock)
        if without is not None:
            return without
    reached("before_intent", change.policy)
    try:
        begun, hold = begin(change, ledger, clock, patience.pause)
    except TargetBusy as busy:
        reason = Reason(
            code="change_in_progress",
            text=f"{change.target} is being changed by {busy.open_change_id}; this change was not started",
        )
        return ledger.refuse_change(change, reason, clock())
    if hold is None:
        return begun
    reached("after_intent", change.policy)
    permit = _LastQuestion(change, policy, plan_expires_at, ledger, clock, hold)
    with hold.given_back_on_trouble():
        result = _attempt(change, begun.attempts > 1, target, permit, patience)
        reached("during_rollback" if change.reverts else "after_call", change.policy)
        ended = ledger.finish_change(change.change_id, result, clock(), hold.lease)
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


@dataclass
class _LastQuestion:
    """The :data:`~setpoint.targets.contract.Permit`: may the call be sent, with the target as it was read just now?"""

    change: PlannedChange
    policy: Policy
    plan_expires_at: datetime
    ledger: Ledger
    clock: Clock
    hold: Hold
    said_yes: bool = False
    """The provider may have been called."""

    def __call__(self, state: TargetState) -> Reason | None:
        change, now = self.change, self.clock()
        memory = self.ledger.memory(change.policy, [change.target], change.target_kind, now).get(change.target)
        refusal = recheck(
            change, plan_expires_at=self.plan_expires_at, policy=self.policy, state=state, memory=memory, now=now
        )
        if refusal is None:
            self.hold.long_enough_for_a_call()
            self.said_yes = True
        return refusal


def _attempt(
    change: PlannedChange, called_before: bool, target: Target, permit: _LastQuestion, patience: Patience
) -> ApplyResult:
    """Ask the provider until there is an answer that stands.

    :param called_before: an earlier attempt may have called the provider.
    :raises TargetError: retryable, and patience has run out.
    """
    for tries in itertools.count(1):
        try:
            result = _confirmed(change, target, permit)
        except TargetError as error:
            if not error.retryable:
                return _result(ChangeState.FAILED, "provider_error", f"{change.target}: {error}")
            if not patience.wait(tries):
                raise
            continue
        if (called_before or permit.said_yes) and result.state is ChangeState.NO_OP:
            text = f"{change.target} already wants {change.to_units}: the call of an earlier attempt went through"
            return _result(ChangeState.APPLIED, "applied_by_earlier_attempt", text)
        return result
    raise AssertionError("unreachable: the loop ends by a return or a raise")


def _confirmed(change: PlannedChange, target: Target, permit: Permit) -> ApplyResult:
    """Carry the change out; where one look at the capacity would end it without a call, look again before believing it.

    DescribeAutoScalingGroups is eventually consistent, and a wrong answer must neither end a change that is due nor
    take another's for it.
    """
    for _ in range(LOOKS):
        result = target.apply(change, permit)
        seen = result.before
        if result.state not in (ChangeState.NO_OP, ChangeState.REFUSED):
            break
        if seen is not None and seen.desired_units == change.from_units:
            break  # refused for another reason than the capacity
        if same_capacity(seen, target.read([change.target]).get(change.target)):
            break
    return result


def _dry_run(change: PlannedChange) -> Reason:
    return Reason(
        code="dry_run",
        text=f"dry run: {change.target} would have gone from {change.from_units} to {change.to_units}",
    )


def _result(state: ChangeState, code: str, text: str) -> ApplyResult:
    return ApplyResult(state=state, reason=Reason(code=code, text=text[:1000]))
