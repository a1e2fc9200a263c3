"""No change overtakes the verdict on the one before: a change that another one follows cannot be judged any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.guards.memory import TargetMemory
from setpoint.model import Action, Reason
from setpoint.policy.schema import Policy, UntilJudged

DEAD_AFTER = timedelta(minutes=15)
"""How much later than its run would have, at the latest, a change may be judged before that run counts as dead."""


def waits_for_verdict(policy: Policy, memory: TargetMemory, action: Action, now: datetime) -> Reason | None:
    """Why an action waits for the verdict on the target's last change, or ``None``.

    The wait ends ``in_service_timeout`` plus ``after`` plus :data:`DEAD_AFTER` behind that change: a run that died does
    not freeze a fleet. A last change in the future (a clock that was set back) counts as just now. A change that began
    outside the policy's bounds, such as a repair, is never taken back; so nothing waits for its verdict.
    """
    feedback, limits, last = policy.feedback, policy.limits, memory.last_change_at
    if memory.unjudged_change_id is None or last is None:
        return None
    if memory.last_from_units is not None and not limits.min <= memory.last_from_units <= limits.max:
        return None
    if feedback.until_judged is UntilJudged.HOLD_SCALE_IN and action is not Action.SCALE_IN:
        return None
    at_most = feedback.in_service_timeout + feedback.after + DEAD_AFTER
    if now - last >= at_most:
        return None
    ago = max(now - last, timedelta(0))
    left = ceil((at_most - ago).total_seconds())
    text = (
        f"change {memory.unjudged_change_id} of {memory.target}, {ago.total_seconds():.0f} s ago, still waits for its "
        f"verdict or its roll-back; until_judged is {feedback.until_judged}, {left} s left at most"
    )
    return Reason.of("change_unjudged", text)


def unjudged(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold until the last change is judged, and taken back where that follows; whoever asks, whichever policy made it.

    What may go on meanwhile is the policy's ``feedback.until_judged``.
    """
    reason = waits_for_verdict(context.policy, context.memory, candidate.action, context.now)
    return candidate.held("unjudged", reason) if reason else candidate
