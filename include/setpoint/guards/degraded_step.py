"""On degraded data capacity is added in smaller steps: ``limits.degraded_step``."""

from __future__ import annotations

from setpoint.guards.candidate import Basis, Candidate, GuardContext
from setpoint.model import Action, Reason, Verdict


def degraded_step(candidate: Candidate, context: GuardContext) -> Candidate:
    """Cut a scale-out on degraded data to a part of the step that clean data would take, and never below one unit.

    It speaks after ``bounds`` and ``max_step``, so that it is a part of what would really have been done::

        step = to - from;  to = from + min(step, degraded_step of step)
    """
    if (
        candidate.action is not Action.SCALE_OUT
        or context.basis is not Basis.METRICS
        or context.trust.verdict is not Verdict.DEGRADED
    ):
        return candidate
    step, part = candidate.to_units - candidate.from_units, context.policy.limits.degraded_step
    most = min(step, part.of(step))
    if most == step:
        return candidate
    unit = context.state.unit
    text = f"the data is degraded: degraded_step is {part}, so {most} of the {step} {unit}s that clean data would add"
    return candidate.moved("degraded_step", candidate.from_units + most, Reason.of("degraded_step", text))
