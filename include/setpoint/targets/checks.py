"""What any target asks of its live state before it changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from setpoint.model import ApplyResult, ChangeState, PlannedChange, Reason, TargetState

APPLY_CODES: Mapping[str, str] = MappingProxyType(
    {
        "applied": "The provider accepted the call; the capacity is on its way.",
        "already_there": "The target already wants this capacity: nothing to do.",
        "dry_run": "A dry run changes nothing: refused.",
        "target_missing": "The target does not exist (any more): refused.",
        "capacity_moved": "The target no longer has the capacity the change started from: refused.",
        "operation_in_progress": "Another operation on the target forbids it: refused.",
        "out_of_bounds": "The target's own bounds do not allow the capacity: refused.",
        "provider_refused": "The provider said no, in its own words, and nothing changed.",
        "provider_error": "The provider answered with an error that will not pass by itself: failed.",
    }
)
"""What a target says when a change is carried out."""


def refusal(change: PlannedChange, state: TargetState | None) -> ApplyResult | None:
    """Why a change must not be carried out on a target that stands like this, or ``None`` when it may be.

    In this order: the target is gone, already stands where the change wants it (``no_op``), was moved by somebody else,
    has another operation in progress, or its own bounds forbid the capacity.

    :param state: as read just now; ``None`` when the target does not exist.
    """
    if state is None:
        return _result(ChangeState.REFUSED, "target_missing", f"{change.target} does not exist (any more)", None)
    unit = f"{state.unit}s"
    if state.desired_units == change.to_units:
        text = f"{change.target} already wants {change.to_units} {unit}"
        return _result(ChangeState.NO_OP, "already_there", text, state)
    if state.desired_units != change.from_units:
        text = (
            f"{change.target} wants {state.desired_units} {unit}; this change was decided when it wanted "
            f"{change.from_units}. Somebody else moved it"
        )
        return _result(ChangeState.REFUSED, "capacity_moved", text, state)
    for operation in state.operations:
        if change.action in operation.blocks:
            text = f"{change.target}: {operation.kind}: {operation.detail}"
            return _result(ChangeState.REFUSED, "operation_in_progress", text, state)
    if not state.min_units <= change.to_units <= state.max_units:
        text = (
            f"{change.target} allows {state.min_units} to {state.max_units} {unit} by its own settings; "
            f"this change asks for {change.to_units}"
        )
        return _result(ChangeState.REFUSED, "out_of_bounds", text, state)
    return None


def _result(state: ChangeState, code: str, text: str, before: TargetState | None) -> ApplyResult:
    after = before.desired_units if before else None
    return ApplyResult(state=state, reason=Reason.of(code, text), before=before, after_desired_units=after)
