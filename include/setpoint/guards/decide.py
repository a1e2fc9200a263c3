"""From signals to decisions, for the whole fleet: the strategy proposes, the guards dispose.

The guards speak in this order, each about what the one before left:

1. ``quality``: data that failed is quarantined before the strategy is asked; degraded data never scales in.
2. ``operation``: another operation on the target, such as an instance refresh, is not disturbed.
3. ``open_change``: one change of a target at a time.
4. ``since_pull``: metrics from before the last change took effect justify no other one.
5. ``unjudged``: the last change is judged before the next one, as far as the policy's ``until_judged`` says.
6. ``bounds``: the policy's least and most capacity, and the provider's own.
7. ``max_step``: the largest change in one step.
8. ``cooldown``: a rest after the last change.

A guard that holds ends it: the others have nothing left to say. They bind a capacity somebody asked for just the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

from setpoint.guards.bounds import bounds
from setpoint.guards.candidate import Candidate, Guard, GuardContext
from setpoint.guards.cooldown import cooldown
from setpoint.guards.max_step import max_step
from setpoint.guards.memory import TargetMemory
from setpoint.guards.open_change import open_change
from setpoint.guards.operation import operation
from setpoint.guards.quality import quality, quarantine_reason
from setpoint.guards.since_pull import since_pull
from setpoint.guards.trust import trust_of
from setpoint.guards.unjudged import unjudged
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
from setpoint.policy.schema import Policy
from setpoint.strategies import STRATEGIES
from setpoint.strategies.contract import Strategy
from setpoint.strategies.requested import propose_requested

_T = TypeVar("_T", Signal, SeriesQuality)

GUARDS: tuple[Guard, ...] = (quality, operation, open_change, since_pull, unjudged, bounds, max_step, cooldown)


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
    :param request: what a person asked for. Names that are not in the fleet are answered too (``unknown_target``).
    :param dry_run: decide and record only; so do the policy's and the request's own ``dry_run``.
    """
    fleet = set(targets)
    rests_on = None if request and request.wants_capacity else pulled_at
    dry = dry_run or policy.dry_run or bool(request and request.dry_run)
    signals_of = _by_target(signals)
    series_of = _by_target(report.series)
    decisions = []
    for target in sorted(set(request.targets if request else ()) or fleet):
        trust = trust_of(series_of[target], policy.deciding_metrics(), report.frame_problems)
        found = _wanted(policy, signals_of[target])
        state = states.get(target) if target in fleet else None
        if target not in fleet:
            answer = _Answer(Action.HOLD, (_unknown_target(target, policy, fleet),))
        elif state is None:
            answer = _Answer(Action.HOLD, (_missing_target(target),))
        elif trust.verdict is Verdict.FAIL:
            answer = _Answer(Action.QUARANTINE, (quarantine_reason(trust),), to_units=state.desired_units)
        else:
            remembered = memory.get(target) or TargetMemory(target=target)
            context = GuardContext(policy, state, trust, remembered, now, rests_on)
            proposal = _propose(policy, found, state, request)
            answer = _answer(proposal, dispose(proposal, context))
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


def _answer(proposal: Proposal, candidate: Candidate) -> _Answer:
    return _Answer(
        action=candidate.action,
        reasons=candidate.reasons,
        to_units=candidate.to_units,
        raw_to_units=proposal.to_units,
        constraints=candidate.constraints,
    )


def _propose(policy: Policy, found: Sequence[Signal], state: TargetState, request: Request | None) -> Proposal:
    if request and request.wants_capacity:
        return propose_requested(request, state)
    known = {(one.metric, one.aggregate): one for one in found if one.value is not None and math.isfinite(one.value)}
    missing = [pair for pair in policy.scale.signals_wanted() if pair not in known]
    if missing:
        pairs = ", ".join(f"{aggregate} of {metric}" for metric, aggregate in missing)
        reason = Reason.of("no_signal", f"{state.target} has no value for {pairs}, and a missing value is not a number")
        return Proposal(target=state.target, to_units=state.desired_units, reasons=(reason,))
    strategy: type[Strategy] = STRATEGIES.load(policy.scale.strategy)
    return strategy.propose({one.metric: one for one in known.values()}, state, policy.scale)


def _wanted(policy: Policy, signals: Iterable[Signal]) -> tuple[Signal, ...]:
    pairs = policy.scale.signals_wanted()
    return tuple(one for one in signals if (one.metric, one.aggregate) in pairs)


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
