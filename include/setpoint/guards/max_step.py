"""The largest change in one step, by direction."""

from __future__ import annotations

from setpoint.guards.candidate import Candidate, GuardContext
from setpoint.model import Action, Reason
from setpoint.policy.schema import Limits


def step_limit(limits: Limits, action: Action, from_units: int) -> int | None:
    """The most units one step may add or take away; ``None`` without a limit.

    A limit in percent is taken of the capacity there is, and is never less than one unit.
    """
    step = limits.max_step.out if action is Action.SCALE_OUT else limits.max_step.in_
    return None if step is None else step.of(from_units)


def beyond_step(limits: Limits, action: Action, from_units: int, to_units: int) -> Reason | None:
    """Why a change is larger than one step may be, or ``None``."""
    most = step_limit(limits, action, from_units)
    if most is None or abs(to_units - from_units) <= most:
        return None
    side, step = ("out", limits.max_step.out) if action is Action.SCALE_OUT else ("in", limits.max_step.in_)
    text = f"from {from_units} to {to_units} is {abs(to_units - from_units)} in one step; max_step.{side} is {step}"
    return Reason.of("max_step", f"{text}, so at most {most}")


def max_step(candidate: Candidate, context: GuardContext) -> Candidate:
    """Cut a proposal to the largest step of its direction."""
    limits = context.policy.limits
    reason = beyond_step(limits, candidate.action, candidate.from_units, candidate.to_units)
    if reason is None:
        return candidate
    most = step_limit(limits, candidate.action, candidate.from_units) or 0
    sign = 1 if candidate.action is Action.SCALE_OUT else -1
    return candidate.moved("max_step", candidate.from_units + sign * most, reason)
