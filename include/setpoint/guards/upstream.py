"""While something upstream is wrong, less load is no reason to have less capacity: ``guards.no_scale_in_while``."""

from __future__ import annotations

from setpoint.guards.candidate import Basis, Candidate, GuardContext
from setpoint.guards.evidence import Evidence
from setpoint.model import Action, Reason
from setpoint.policy.guarding import Condition


def upstream(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold a scale-in while a condition on another metric holds, or while that is not known.

    An outage upstream drains the load, and the storm comes when it is over (kedacore/keda#5166).
    """
    if candidate.action is not Action.SCALE_IN or context.basis is not Basis.METRICS:
        return candidate
    for condition in context.policy.guards.no_scale_in_while:
        reason = forbids(condition, context.evidence)
        if reason is not None:
            return candidate.held("upstream", reason)
    return candidate


def forbids(condition: Condition, evidence: Evidence) -> Reason | None:
    """Why a condition keeps capacity from being taken away, or ``None`` when it surely does not hold."""
    words = f"no scaling in while {condition.metric} is {condition.side} {condition.threshold:g}, {condition.for_}"
    doubt = evidence.doubt(condition.metric)
    if doubt is not None:
        return Reason.of("upstream_unknown", f"{words}, and whether it is, is not known: {doubt}")
    tally = evidence.tally(condition)
    if tally.met:
        return Reason.of("upstream_condition", f"{words}: {tally}")
    if tally.possible:
        return Reason.of("upstream_unknown", f"{words}, and whether it is, is not known: {tally}")
    return None
