"""The capacity a person asked for, as a proposal like any other: the guards speak after it."""

from __future__ import annotations

from setpoint.model import Proposal, Reason, Request, TargetState


def propose_requested(request: Request, state: TargetState) -> Proposal:
    """Propose what was asked for. Who asked and why are quoted, never interpreted.

    :raises ValueError: the request wants no capacity in particular; the policy's strategy decides then.
    """
    if request.wanted_units is None:
        raise ValueError(f"the request for {state.target} wants no capacity in particular; ask the strategy instead")
    who = request.requested_by or "somebody who left no name"
    why = f": {request.reason}" if request.reason.strip() else ", without a reason"
    there = ", which is what it has" if request.wanted_units == state.desired_units else ""
    text = f"{request.wanted_units} {state.unit}s{there}, asked for by {who}{why}"
    return Proposal(target=state.target, to_units=request.wanted_units, reasons=(Reason.of("requested", text),))
