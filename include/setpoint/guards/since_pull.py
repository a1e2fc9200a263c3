"""Metrics from before a target's last change say nothing of the capacity there is now."""

from __future__ import annotations

from datetime import datetime

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.guards.memory import TargetMemory
from setpoint.model import Reason


def changed_since_pull(memory: TargetMemory, pulled_at: datetime | None) -> Reason | None:
    """Why metrics pulled at a moment justify no change of a target any more, or ``None``.

    They were pulled before its last change took effect, or in that moment, and so show the load on a capacity that is
    no more. Acting on them again is answering one breach twice; turning round on them would undo an answer nobody has
    seen the effect of. Both directions wait for the next look, whatever the cooldowns are.

    :param pulled_at: ``None`` when the change rests on no metrics.
    """
    last = memory.last_change_at
    if pulled_at is None or last is None or pulled_at > last:
        return None
    text = (
        f"the metrics were pulled at {pulled_at:%FT%TZ}, before the last change of {memory.target} took effect at "
        f"{last:%FT%TZ} ({'out' if last == memory.last_out_at else 'in'}): they say nothing of the capacity it has now"
    )
    return Reason.of("changed_since_pull", text)


def since_pull(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold when the target changed since its metrics were pulled, by whichever policy or run."""
    reason = changed_since_pull(context.memory, context.pulled_at)
    return candidate.held("since_pull", reason) if reason else candidate
