"""A rest after every change, so that its effect shows in the metrics before the next one."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.guards.memory import TargetMemory
from setpoint.model import Action, Reason
from setpoint.policy.fields import format_duration
from setpoint.policy.schema import Limits


def still_resting(
    limits: Limits, memory: TargetMemory, action: Action, now: datetime, pulled_at: datetime | None = None
) -> Reason | None:
    """Why a target rests before an action, or ``None``.

    Since its last change in either direction, a target rests for the cooldown of the direction it would move in. A last
    change in the future (a clock that was set back) counts as just now.

    :param pulled_at: when the metrics behind the action were pulled. The rest counts to that moment: it is there for
        the last change to show in them. ``None``, or a moment in the future, counts to ``now``.
    """
    last = memory.last_change_at
    since, still = "ago", "left"
    if pulled_at is not None and pulled_at < now:
        now, since, still = pulled_at, "before the metrics were pulled", "too soon"
    side, rest = ("out", limits.cooldown.out) if action is Action.SCALE_OUT else ("in", limits.cooldown.in_)
    if last is None or now - last >= rest:
        return None
    ago = max(now - last, timedelta(0))
    text = (
        f"last changed {ago.total_seconds():.0f} s {since} ({'out' if last == memory.last_out_at else 'in'}); "
        f"cooldown.{side} is {format_duration(rest)}, {ceil((rest - ago).total_seconds())} s {still}"
    )
    return Reason.of("cooldown", text)


def cooldown(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold while the target rests from its last change."""
    reason = still_resting(context.policy.limits, context.memory, candidate.action, context.now, context.pulled_at)
    return candidate.held("cooldown", reason) if reason else candidate
