"""One change of a target at a time."""

from __future__ import annotations

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.guards.memory import TargetMemory
from setpoint.model import Reason


def blocked_by_change(memory: TargetMemory, *own: str | None) -> Reason | None:
    """Why a change that is still being carried out forbids another one, or ``None``.

    :param own: changes that do not count: the one asking, and the one it takes back.
    """
    if memory.open_change_id is None or memory.open_change_id in own:
        return None
    text = f"change {memory.open_change_id} of {memory.target} is not finished; one change of a target at a time"
    return Reason.of("change_in_progress", text)


def open_change(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold while another change of the target is open, whichever policy made it."""
    reason = blocked_by_change(context.memory)
    return candidate.held("open_change", reason) if reason else candidate
