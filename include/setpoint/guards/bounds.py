"""The least and the most capacity: the policy's bounds and the provider's own, both."""

from __future__ import annotations

from dataclasses import dataclass

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.model import Action, Reason, TargetState, direction
from setpoint.policy.schema import Limits


@dataclass(frozen=True)
class Bounds:
    """What the policy and the provider both allow; empty (``low > high``) when they contradict each other."""

    low: int
    high: int
    text: str
    """Both bounds in words, with their numbers."""

    @classmethod
    def of(cls, limits: Limits, state: TargetState) -> Bounds:
        return cls(
            low=max(limits.min, state.min_units),
            high=min(limits.max, state.max_units),
            text=f"policy {limits.min} to {limits.max}, provider {state.min_units} to {state.max_units}",
        )

    def nearest(self, units: int) -> int:
        """The allowed capacity nearest to one."""
        return max(self.low, min(units, self.high))

    def allow(self, from_units: int, to_units: int) -> bool:
        """Whether a change ends inside the bounds, or comes nearer to them from outside without crossing over.

        The second lets a target that stands outside (bounds were edited, somebody moved it) come back in steps.
        """
        if self.low <= to_units <= self.high:
            return True
        return self.high < to_units < from_units or from_units < to_units < self.low


def bounds(candidate: Candidate, context: GuardContext) -> Candidate:
    """Bring a proposal to the nearest allowed capacity, in its own direction only.

    A proposal that ends outside is cut; one that starts outside and leads towards the bounds is drawn on to the nearest
    one. Where the target already stands at the nearest allowed capacity, or that lies against the proposal's direction,
    nothing changes: a scale-out never becomes a scale-in. Bringing such a target back is the reconcile Dag's task.
    """
    allowed = Bounds.of(context.policy.limits, context.state)
    if allowed.low > allowed.high:
        text = f"no capacity is allowed by both: {allowed.text}. Make the two ranges of {context.state.target} meet"
        return candidate.held("bounds", Reason.of("bounds_conflict", text))
    to_units = allowed.nearest(candidate.to_units)
    if to_units == candidate.to_units:
        return candidate
    wanted = f"{candidate.to_units} {context.state.unit}s wanted from {candidate.from_units}"
    if direction(candidate.from_units, to_units) is candidate.action:
        text = f"{wanted}, {allowed.low} to {allowed.high} allowed ({allowed.text}): {to_units}"
        return candidate.moved("bounds", to_units, Reason.of("bounds", text))
    code, edge = (
        ("at_max", f"at most {allowed.high}")
        if candidate.action is Action.SCALE_OUT
        else ("at_min", f"at least {allowed.low}")
    )
    return candidate.held("bounds", Reason.of(code, f"{wanted}, {edge} allowed ({allowed.text}): nothing to change"))
