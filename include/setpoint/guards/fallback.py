"""What applies when the data keeps failing the gate: the policy's ``fallback``."""

from __future__ import annotations

from setpoint.model import Proposal, Reason, TargetState
from setpoint.model.streak import Streak
from setpoint.policy.guarding import Fallback


def row_of_failures(fallback: Fallback, streak: Streak | None) -> Reason:
    """How many batches have failed in a row, and what follows when."""
    failures = streak.failures if streak else 1
    count = f"1 failed batch, of {fallback.after}" if failures == 1 else f"{failures} failed batches in a row"
    applies = "applies" if failures >= fallback.after else f"applies after {fallback.after}"
    since = f", since {streak.since:%F %TZ}" if streak and streak.since and failures > 1 else ""
    return Reason.of("failed_in_a_row", f"{count}{since}; the fallback ({fallback.then}) {applies}")


def applies(fallback: Fallback, streak: Streak | None) -> bool:
    """Whether so many batches in a row have failed that the fallback is due."""
    return streak is not None and streak.failures >= fallback.after


def propose_fallback(fallback: Fallback, state: TargetState) -> Proposal:
    """The capacity the fallback names, as a proposal like any other: the guards speak after it."""
    to_units = fallback.then.wanted(state.desired_units)
    if fallback.then.units is None:
        reason = Reason.of("fallback_hold", f"the fallback is hold: {state.target} keeps its {state.desired_units}")
    elif to_units == state.desired_units:
        text = f"the fallback is {fallback.then}, and {state.target} has {state.desired_units}: it keeps them"
        reason = Reason.of("fallback_hold", text)
    else:
        text = f"the fallback is {fallback.then}: from {state.desired_units} to {to_units} {state.unit}s"
        reason = Reason.of("fallback", text)
    return Proposal(target=state.target, to_units=to_units, reasons=(reason,))


def recovered(streak: Streak | None) -> tuple[Reason, ...]:
    """That a row of failed batches has just ended, if one has."""
    if streak is None or not streak.ended:
        return ()
    batches = "1 failed batch" if streak.ended == 1 else f"{streak.ended} failed batches in a row"
    return (Reason.of("recovered", f"the data did not fail any more after {batches}; the count begins anew"),)
