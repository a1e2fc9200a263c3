"""The capacity a person asked for, as a proposal like any other: the guards speak after it."""

from __future__ import annotations

from setpoint.model import Proposal, Reason, Request, TargetState


def propose_requested(request: Request, state: TargetState) -> Proposal:
    """Propose what was asked for: that capacity, or at least that capacity. Who asked and why are quoted as data.

    :raises ValueError: the request wants no capacity in particular; the policy's strategy decides then.
    """
    who = request.requested_by or "somebody who left no name"
    why = f": {request.reason}" if request.reason.strip() else ", without a reason"
    if request.at_least_units is not None:
        to_units = max(state.desired_units, request.at_least_units)
        there = f", and it has {state.desired_units}" if to_units == state.desired_units else ""
        wanted = f"at least {request.at_least_units} {state.unit}s{there}"
    elif request.wanted_units is not None:
        to_units = request.wanted_units
        there = ", which is what it has" if to_units == state.desired_units else ""
        wanted = f"{to_units} {state.unit}s{there}"
    else:
        raise ValueError(f"the request for {state.target} wants no capacity in particular; ask the strategy instead")
    reason = Reason.of("requested", f"{wanted}, asked for by {who}{why}")
    return Proposal(target=state.target, to_units=to_units, reasons=(reason,))
