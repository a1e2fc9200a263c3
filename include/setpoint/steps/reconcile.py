"""Desired against actual: finish what a crash left, record what was never judged, report drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from setpoint.feedback.judge import judge_health
from setpoint.guards.memory import TargetMemory
from setpoint.guards.repair import decide_repair
from setpoint.ledger import Finding, Ledger
from setpoint.model import (
    ApplyResult,
    Change,
    ChangeState,
    PlannedChange,
    Reason,
    TargetState,
)
from setpoint.policy.schema import Policy, Reconcile
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Source, SourceError
from setpoint.steps.apply import Clock, carry_out
from setpoint.steps.evaluate import PLAN_LIFETIME
from setpoint.steps.observe import observation_ends, observe
from setpoint.steps.roll_back import roll_back
from setpoint.steps.settle import settle
from setpoint.targets.contract import Target

GRACE = timedelta(minutes=2)
"""How long after its intent a change is left to the run that began it; a run's own retries end well before."""


STRANDED_AFTER = timedelta(minutes=15)
"""How long a run may take to decide, retries included, before it counts as dead."""


@dataclass
class Reconciled:
    """What one reconciliation of one policy found and did, in sentences."""

    policy: str
    finished: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def reconcile(
    policy: Policy,
    *,
    run_id: str,
    target: Target,
    sources: Mapping[str, Source],
    store: BatchStore,
    ledger: Ledger,
    clock: Clock,
    grace: timedelta = GRACE,
) -> Reconciled:
    """Bring one policy's records and targets together.

    :param grace: changes younger than this belong to a run that may still be at work.
    :raises TargetError: the targets could not be found or read.
    """
    told = Reconciled(policy.name)
    for change in ledger.unfinished_changes(clock() - grace):
        if change.plan.policy == policy.name:
            _finish(change, policy, target, ledger, clock, told)
    for change in ledger.changes_without_outcome(clock() - grace):
        if change.plan.policy == policy.name and clock() >= observation_ends(change, policy) + grace:
            _judge(change, policy, target, sources, store, ledger, clock, told)
    _stranded(policy, ledger, clock(), told)
    _drift(policy, run_id, target, ledger, clock, told)
    for finding in told.findings:
        ledger.record_finding(finding)
    return told


def _finish(change: Change, policy: Policy, target: Target, ledger: Ledger, clock: Clock, told: Reconciled) -> None:
    """Finish a change whose run died: what the target says is what happened."""
    plan, now = change.plan, clock()
    if change.state is ChangeState.APPLYING:
        state = target.read([plan.target]).get(plan.target)
        result = _what_happened(plan, state)
        change = ledger.finish_change(change.change_id, result, now)
        told.finished.append(f"{plan.target}: {change.state.value}: {result.reason.text}")
    if change.state is ChangeState.APPLIED:
        (after,) = settle([change], policy=policy, target=target, ledger=ledger, now=now)
        if after.state is ChangeState.SETTLED:
            told.finished.append(f"{plan.target}: {after.reason.text}")


def _what_happened(plan: PlannedChange, state: TargetState | None) -> ApplyResult:
    if state is None:
        code, text, ended = "target_missing", f"{plan.target} no longer exists", ChangeState.FAILED
    elif state.desired_units == plan.to_units:
        code, ended = "applied_by_earlier_attempt", ChangeState.APPLIED
        text = f"{plan.target} wants {plan.to_units}: the call went through before its run died"
    else:
        code, ended = "never_applied", ChangeState.FAILED
        text = (
            f"{plan.target} wants {state.desired_units}, not {plan.to_units}: the call did not go through before its "
            "run died, and is not repeated on old numbers"
        )
    return ApplyResult(state=ended, reason=Reason(code=code, text=text), before=state)


def _judge(
    change: Change,
    policy: Policy,
    target: Target,
    sources: Mapping[str, Source],
    store: BatchStore,
    ledger: Ledger,
    clock: Clock,
    told: Reconciled,
) -> None:
    """Record an outcome that was never recorded, about the time its run would have."""
    moment = observation_ends(change, policy)
    try:
        outcome = observe(change, policy=policy, sources=sources, reader=target, store=store, ledger=ledger, now=moment)
    except SourceError as error:
        told.problems.append(f"{change.plan.target}: health before and after could not be read: {error}")
        outcome = ledger.record_outcome(
            judge_health(
                policy.feedback,
                change=change,
                before={},
                after={},
                provider=None,
                superseded_by=ledger.superseded_by(change.change_id),
                now=clock(),
            )
        )
    told.judged.append(f"{change.plan.target}: {outcome.verdict.value}: {outcome.reasons[0].text}")
    taken_back = roll_back(change, outcome, policy=policy, target=target, ledger=ledger, clock=clock)
    if isinstance(taken_back, Change):
        told.finished.append(f"{change.plan.target}: taken back: {taken_back.reason.text}")


def _stranded(policy: Policy, ledger: Ledger, now: datetime, told: Reconciled) -> None:
    """Events of runs that died without closing: those nothing was decided on wait again, for the next run."""
    whole_run = policy.feedback.in_service_timeout + policy.feedback.after + STRANDED_AFTER
    for run_id in ledger.stranded_runs(now - STRANDED_AFTER):
        if not run_id.startswith(f"{policy.name}/"):
            continue
        if not ledger.decisions_of(run_id):
            released = ledger.release_events(run_id)
            text = f"{run_id} died before deciding; {len(released.waiting)} of its events are waiting again"
            if released.given_up:
                text += f", {len(released.given_up)} were given up after too many attempts"
        elif run_id in ledger.stranded_runs(now - whole_run):
            closed = ledger.close_events(run_id, "failed", now)
            text = f"{run_id} decided and never closed; its {closed} events are closed as failed"
        else:
            continue
        told.findings.append(_finding(policy, None, "stranded_events", text, None, None, now))


def _drift(policy: Policy, run_id: str, target: Target, ledger: Ledger, clock: Clock, told: Reconciled) -> None:
    now = clock()
    names = target.find(policy.targets)
    memory = ledger.memory(policy.name, names, policy.targets.kind, now)
    states = target.read(names)
    for name in names:
        state = states.get(name)
        if state is None:
            text = f"{name} was found a moment ago and is gone now"
            told.findings.append(_finding(policy, name, "missing", text, None, None, now))
        elif not policy.limits.min <= state.desired_units <= policy.limits.max:
            told.findings.append(_out_of_bounds(policy, run_id, state, memory.get(name), target, ledger, clock))
        else:
            found = _inside(policy, state, memory.get(name), now)
            if found is not None:
                told.findings.append(found)


def _inside(policy: Policy, state: TargetState, memory: TargetMemory | None, now: datetime) -> Finding | None:
    """Drift inside the bounds is a person's business: it is reported and left alone."""
    expected = memory.last_to_units if memory else None
    if memory is not None and memory.open_change_id is not None:
        return None
    if expected is not None and state.desired_units != expected:
        text = (
            f"{state.target} wants {state.desired_units}; the last recorded change left {expected}. Somebody "
            "changed it inside the policy's bounds, so it stays"
        )
        return _finding(policy, state.target, "changed_by_hand", text, expected, state.desired_units, now)
    if state.in_service_units != state.desired_units and not state.pending_units:
        text = (
            f"{state.target} wants {state.desired_units} and has {state.in_service_units} in service, none on its way"
        )
        return _finding(policy, state.target, "not_in_service", text, state.desired_units, state.in_service_units, now)
    return None


def _out_of_bounds(
    policy: Policy,
    run_id: str,
    state: TargetState,
    memory: TargetMemory | None,
    target: Target,
    ledger: Ledger,
    clock: Clock,
) -> Finding:
    limits, now = policy.limits, clock()
    nearest = min(max(state.desired_units, limits.min), limits.max)
    text = f"{state.target} wants {state.desired_units}, outside the policy's {limits.min} to {limits.max}"
    decision = None
    if policy.reconcile is Reconcile.REPAIR and not policy.dry_run:
        decision = decide_repair(policy, run_id=run_id, state=state, memory=memory, now=now)
    if decision is None:
        return _finding(policy, state.target, "out_of_bounds", text, nearest, state.desired_units, now)
    ledger.record("decision", decision, run_id=run_id, policy=policy.name, target=state.target)
    if not decision.action.changes:
        text = f"{text}; not repaired now: {decision.reasons[0].text}"
        return _finding(policy, state.target, "out_of_bounds", text, nearest, state.desired_units, now)
    change = carry_out(
        PlannedChange.of(decision, policy.targets.kind),
        policy=policy,
        plan_expires_at=now + PLAN_LIFETIME,
        target=target,
        ledger=ledger,
        clock=clock,
    )
    text = f"{text}; on the way back to {decision.to_units}: {change.state.value}, {change.reason.text}"
    return _finding(
        policy, state.target, "out_of_bounds", text, nearest, state.desired_units, now, change.state.effective
    )


def _finding(
    policy: Policy,
    target: str | None,
    kind: str,
    text: str,
    expected: int | None,
    actual: int | None,
    now: datetime,
    repaired: bool = False,
) -> Finding:
    return Finding.model_validate(
        {
            "policy": policy.name,
            "target": target,
            "kind": kind,
            "text": text,
            "expected_units": expected,
            "actual_units": actual,
            "repaired": repaired,
            "found_at": now,
        }
    )


def summary(told: Sequence[Reconciled]) -> str:
    """What a reconciliation of several policies came to, a line each."""
    lines = []
    for one in told:
        said = [*one.finished, *one.judged, *(finding.text for finding in one.findings), *one.problems]
        lines.append(f"{one.policy}: {'; '.join(said) if said else 'as it should be'}")
    return "\n".join(lines)
