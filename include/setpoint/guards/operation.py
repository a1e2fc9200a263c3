"""Another operation on the target, such as an instance refresh, is not disturbed."""

from __future__ import annotations

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.model import Action, Reason, TargetState


def blocked_by_operation(state: TargetState, action: Action) -> Reason | None:
    """Why an operation in progress forbids an action, or ``None``."""
    blocking = [one for one in state.operations if action in one.blocks]
    if not blocking:
        return None
    operations = "; ".join(f"{one.kind} ({one.detail})" for one in blocking)
    return Reason.of(
        "operation_in_progress", f"{action} has to wait for another operation on {state.target}: {operations}"
    )


def operation(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold while an operation in progress forbids the direction."""
    reason = blocked_by_operation(context.state, candidate.action)
    return candidate.held("operation", reason) if reason else candidate
