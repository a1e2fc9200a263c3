"""Before capacity is taken away, a second metric is heard: ``guards.scale_in_needs``."""

from __future__ import annotations

from setpoint.guards.candidate import Basis, Candidate, GuardContext
from setpoint.guards.evidence import Evidence
from setpoint.model import Action, Reason
from setpoint.policy.guarding import Agreement, Condition


def agreement(candidate: Candidate, context: GuardContext) -> Candidate:
    """Hold a scale-in until every metric that is asked as well agrees, on clean data of its own.

    A second metric that is missing, degraded or failed does not agree: what is not known is no consent.
    """
    if candidate.action is not Action.SCALE_IN or context.basis is not Basis.METRICS:
        return candidate
    for one in context.policy.guards.scale_in_needs:
        reason = disagreement(one, context.evidence)
        if reason is not None:
            return candidate.held("agreement", reason)
    return candidate


def disagreement(asked: Agreement, evidence: Evidence) -> Reason | None:
    """Why a second metric does not agree to taking capacity away, or ``None``."""
    metrics = [asked.metric] if asked.agrees_with is None else [asked.metric, asked.agrees_with]
    for metric in metrics:
        doubt = evidence.doubt(metric)
        if doubt is not None:
            return Reason.of("agreement_unknown", f"scaling in needs {_words(asked)}, and that is not known: {doubt}")
    condition = asked.condition
    return _alone(asked, condition, evidence) if condition else _compared(asked, evidence)


def _alone(asked: Agreement, condition: Condition, evidence: Evidence) -> Reason | None:
    tally = evidence.tally(condition)
    if tally.met:
        return None
    code = "agreement_unknown" if tally.possible else "sources_disagree"
    return Reason.of(code, f"scaling in needs {_words(asked)}: {asked.metric}: {tally}")


def _compared(asked: Agreement, evidence: Evidence) -> Reason | None:
    assert asked.agrees_with is not None
    assert asked.within is not None
    one = evidence.value(asked.metric, asked.aggregate)
    other = evidence.value(asked.agrees_with, asked.aggregate)
    if one is None or other is None:
        missing = asked.metric if one is None else asked.agrees_with
        text = f"scaling in needs {_words(asked)}, and {missing} has no {asked.aggregate}"
        return Reason.of("agreement_unknown", text)
    if asked.within.allows(one, other):
        return None
    numbers = f"{asked.metric} is {one:.4g}, {asked.agrees_with} is {other:.4g}"
    return Reason.of("sources_disagree", f"scaling in needs {_words(asked)}: {numbers}, one of them is wrong")


def _words(asked: Agreement) -> str:
    condition = asked.condition
    if condition is None:
        return f"{asked.metric} to agree with {asked.agrees_with} within {asked.within} ({asked.aggregate})"
    return f"{asked.metric} {condition.side} {condition.threshold:g}, {condition.for_}"
