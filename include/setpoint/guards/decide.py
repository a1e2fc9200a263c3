"""From signals to decisions, for the whole fleet: the strategy proposes, the guards dispose.

The guards speak in this order, each about what the one before left:

1. ``quality``: data that failed is quarantined before the strategy is asked; degraded data never scales in.
2. ``agreement``: scaling in needs the second metrics that the policy names to agree.
3. ``upstream``: nothing scales in while a condition of the policy holds, or while that is not known.
4. ``operation``: another operation on the target, such as an instance refresh, is not disturbed.
5. ``open_change``: one change of a target at a time.
6. ``since_pull``: metrics from before the last change took effect justify no other one.
7. ``unjudged``: the last change is judged before the next one, as far as the policy's ``until_judged`` says.
8. ``bounds``: the policy's least and most capacity, and the provider's own.
9. ``max_step``: the largest change in one step.
10. ``degraded_step``: on degraded data, a part of that step.
11. ``cooldown``: a rest after the last change.

A guard that holds ends it: the others have nothing left to say. They bind a capacity somebody asked for, and the
capacity of a fallback, just the same; but what the data says does not stop these, since they do not rest on it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

from setpoint.guards.agreement import agreement
from setpoint.guards.bounds import bounds
from setpoint.guards.candidate import Basis, Candidate, Guard, GuardContext
from setpoint.guards.cooldown import cooldown
from setpoint.guards.degraded_step import degraded_step
from setpoint.guards.evidence import Evidence
from setpoint.guards.fallback import applies, propose_fallback, recovered, row_of_failures
from setpoint.guards.max_step import max_step
from setpoint.guards.memory import TargetMemory
from setpoint.guards.open_change import open_change
from setpoint.guards.operation import operation
from setpoint.guards.quality import quality, quarantine_reason
from setpoint.guards.since_pull import since_pull
from setpoint.guards.trust import fleet_trust, source_problem
from setpoint.guards.unjudged import unjudged
from setpoint.guards.upstream import upstream
from setpoint.model import (
    Action,
    Constraint,
    Decision,
    Proposal,
    QualityReport,
    Reason,
    Request,
    SeriesQuality,
    Signal,
    TargetState,
    Verdict,
)
from setpoint.model.streak import Streak
from setpoint.policy.schema import Policy
from setpoint.strategies import STRATEGIES
from setpoint.strategies.contract import Strategy
from setpoint.strategies.requested import propose_requested

_T = TypeVar("_T", Signal, SeriesQuality)

GUARDS: tuple[Guard, ...] = (
    quality,
    agreement,
    upstream,
    operation,
    open_change,
    since_pull,
    unjudged,
    bounds,
    max_step,
    degraded_step,
    cooldown,
)


def decide(
    policy: Policy,
    *,
    run_id: str,
    targets: Sequence[str],
    signals: Iterable[Signal],
    report: QualityReport,
    states: Mapping[str, TargetState],
    memory: Mapping[str, TargetMemory],
    pulled_at: datetime,
    now: datetime,
    streaks: Mapping[str, Streak] | None = None,
    request: Request | None = None,
    event_ids: Sequence[str] = (),
    dry_run: bool = False,
) -> tuple[Decision, ...]:
    """Decide about every target of a fleet, or about those a request names. Pure; sorted by target.

    Nothing here raises for a batch that is empty, partial or about something else: each target gets its decision and
    its reason, and without evidence that is to change nothing.

    :param targets: the policy's whole fleet, as found.
    :param states: how targets stand; one that is left out could not be read (``target_missing``).
    :param memory: what the ledger remembers; a target that is left out never changed.
    :param pulled_at: when the metrics were pulled. A capacity somebody asks for does not rest on them.
    :param streaks: how many batches have failed in a row, this one included; a target that is left out has no row.
    :param request: what a person asked for. Names that are not in the fleet are answered too (``unknown_target``).
    :param dry_run: decide and record only; so do the policy's and the request's own ``dry_run``.
    """
    fleet = set(targets)
    asked = bool(request and request.wants_capacity)
    rests_on = None if asked else pulled_at
    dry = dry_run or policy.dry_run or bool(request and request.dry_run)
    signals_of = _by_target(signals)
    series_of = _by_target(report.series)
    looked_at = sorted(set(request.targets if request else ()) or fleet)
    trusted = fleet_trust(report, policy.deciding_metrics(), looked_at)
    decisions = []
    for target in looked_at:
        trust = trusted[target]
        found = _wanted(policy, signals_of[target])
        state = states.get(target) if target in fleet else None
        if target not in fleet:
            answer = _Answer(Action.HOLD, (_unknown_target(target, policy, fleet),))
        elif state is None:
            answer = _Answer(Action.HOLD, (_missing_target(target),))
        else:
            context = GuardContext(
                policy=policy,
                state=state,
                trust=trust,
                memory=memory.get(target) or TargetMemory(target=target),
                now=now,
                pulled_at=rests_on,
                basis=Basis.REQUEST if asked else Basis.METRICS,
                evidence=_evidence(found, series_of[target], report),
            )
            streak = streaks.get(target) if streaks else None
            if trust.verdict is Verdict.FAIL and not asked:
                answer = _distrusted(context, streak, source_problem(report))
            else:
                proposal = _propose(policy, found, state, request)
                answer = _answer(proposal, dispose(proposal, context), recovered(streak))
        decisions.append(
            Decision(
                run_id=run_id,
                policy=policy.name,
                target=target,
                action=answer.action,
                from_units=state.desired_units if state else None,
                to_units=answer.to_units,
                raw_to_units=answer.raw_to_units,
                reasons=answer.reasons,
                constraints=answer.constraints,
                quality=trust.verdict,
                signals=found,
                event_ids=tuple(event_ids),
                dry_run=dry,
                metrics_pulled_at=rests_on,
                decided_at=now,
            )
        )
    return tuple(decisions)


def dispose(proposal: Proposal, context: GuardContext, guards: Sequence[Guard] = GUARDS) -> Candidate:
    """Put a proposal through the guards, in their order, until one holds or all have spoken."""
    candidate = Candidate.of(proposal, context.state)
    for guard in guards:
        if candidate.action.changes:
            candidate = guard(candidate, context)
    return candidate


@dataclass(frozen=True)
class _Answer:
    """What a decision says, before it is signed with run, policy and time."""

    action: Action
    reasons: tuple[Reason, ...]
    to_units: int | None = None
    raw_to_units: int | None = None
    constraints: tuple[Constraint, ...] = ()


def _answer(proposal: Proposal, candidate: Candidate, more: tuple[Reason, ...] = ()) -> _Answer:
    return _Answer(
        action=candidate.action,
        reasons=(*candidate.reasons, *more),
        to_units=candidate.to_units,
        raw_to_units=proposal.to_units,
        constraints=candidate.constraints,
    )


def _distrusted(context: GuardContext, streak: Streak | None, source_broken: str) -> _Answer:
    """What follows when the data cannot be trusted: quarantine, or, when it keeps failing, the policy's fallback."""
    fallback, state = context.policy.fallback, context.state
    why = (quarantine_reason(context.trust, source_broken), row_of_failures(fallback, streak))
    if not applies(fallback, streak):
        return _Answer(Action.QUARANTINE, why, to_units=state.desired_units)
    proposal = propose_fallback(fallback, state)
    candidate = dispose(proposal, replace(context, basis=Basis.FALLBACK))
    answer = _answer(proposal, candidate, why)
    if candidate.action.changes:
        return answer
    return replace(answer, action=Action.QUARANTINE, reasons=(*why, *candidate.reasons))


def _evidence(found: Sequence[Signal], series: Sequence[SeriesQuality], report: QualityReport) -> Evidence:
    return Evidence(
        signals={(one.metric, one.aggregate): one for one in found},
        series=series,
        problems=report.frame_problems,
    )


def _propose(policy: Policy, found: Sequence[Signal], state: TargetState, request: Request | None) -> Proposal:
    if request and request.wants_capacity:
        return propose_requested(request, state)
    wanted = policy.scale.signals_wanted()
    known = {
        (one.metric, one.aggregate): one
        for one in found
        if (one.metric, one.aggregate) in wanted and one.value is not None and math.isfinite(one.value)
    }
    missing = [pair for pair in wanted if pair not in known]
    if missing:
        pairs = ", ".join(f"{aggregate} of {metric}" for metric, aggregate in missing)
        reason = Reason.of("no_signal", f"{state.target} has no value for {pairs}, and a missing value is not a number")
        return Proposal(target=state.target, to_units=state.desired_units, reasons=(reason,))
    strategy: type[Strategy] = STRATEGIES.load(policy.scale.strategy)
    return strategy.propose({one.metric: one for one in known.values()}, state, policy.scale)


def _wanted(policy: Policy, signals: Iterable[Signal]) -> tuple[Signal, ...]:
    pairs = list(dict.fromkeys((*policy.scale.signals_wanted(), *policy.guards.signals_wanted())))
    wanted = [one for one in signals if (one.metric, one.aggregate) in pairs]
    return tuple(sorted(wanted, key=lambda one: pairs.index((one.metric, one.aggregate))))


def _missing_target(target: str) -> Reason:
    return Reason.of("target_missing", f"{target} could not be read from the provider: it is not there any more")


def _unknown_target(target: str, policy: Policy, fleet: Collection[str]) -> Reason:
    text = f"{target} was asked for, but is not one of the {len(fleet)} targets of {policy.name}"
    close = get_close_matches(target, fleet, n=1)
    return Reason.of("unknown_target", f"{text}; did you mean {close[0]}?" if close else text)


def _by_target(values: Iterable[_T]) -> defaultdict[str, list[_T]]:
    grouped: defaultdict[str, list[_T]] = defaultdict(list)
    for one in values:
        grouped[one.target].append(one)
    return grouped
