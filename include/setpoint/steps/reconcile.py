"""Bring records and targets together: finish what a crash left, judge, take back what is due, report drift."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from setpoint.ledger import Ledger
from setpoint.ledger.errors import LeaseHeld
from setpoint.ledger.holders import new_holder
from setpoint.ledger.leases import Lease
from setpoint.model import ApplyResult, Change, ChangeState, PlannedChange, Reason, TargetState
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Source, SourceError
from setpoint.steps.apply import Clock
from setpoint.steps.drift import drift
from setpoint.steps.hold import Hold
from setpoint.steps.look import look_again
from setpoint.steps.observe import observation_ends, observe, record_unjudged, why_unjudged
from setpoint.steps.patience import Patience
from setpoint.steps.reconciled import Reconciled, finding
from setpoint.steps.roll_back import ROLLBACK_ATTEMPTS, ROLLBACK_WITHIN, roll_back
from setpoint.steps.settle import settle
from setpoint.targets.contract import Target, TargetError, TargetReader

GRACE = timedelta(minutes=10)
"""How long after its intent a change is left to the run that began it: longer than its slowest call and its retries."""

STRANDED_AFTER = timedelta(minutes=15)
"""How long a run may take to decide, retries included, before it counts as dead."""

_NO_LONGER_DUE = ("already_back", "superseded", "target_missing", "not_effective", "rollback_of_rollback")
"""Why a change that is not taken back needs nobody: there is nothing to take back any more."""


def reconcile(
    policy: Policy,
    *,
    run_id: str,
    reader: Callable[[], TargetReader],
    target: Callable[[], Target],
    sources: Callable[[], Mapping[str, Source]],
    store: BatchStore,
    ledger: Ledger,
    clock: Clock,
    grace: timedelta = GRACE,
    stranded_after: timedelta = STRANDED_AFTER,
    patience: Patience | None = None,
) -> Reconciled:
    """Bring one policy's records and targets together.

    Each step stands for itself: one that fails is told as a problem, and the others run all the same.

    :param reader: builds what reads targets.
    :param target: builds what can change targets; called only for a roll-back or a repair.
    :param sources: builds the metric sources; called only when a change is to be judged.
    :param grace: changes younger than this belong to a run that may still be at work.
    :param stranded_after: how long a run may take to decide before it counts as dead.
    :param patience: how long calls that may succeed later are tried again, all of them together.
    :raises LedgerUnavailable: nothing can be reconciled without the ledger.
    """
    told, patience = Reconciled(policy.name), patience or Patience()
    for change in _unfinished(policy, told, reader, lambda: ledger.unfinished_changes(clock() - grace)):
        with told.collecting(f"{change.plan.target}: change {change.change_id} could not be finished"):
            _finish(change, policy, reader(), ledger, clock, told)
    for change in _own(told, "judged", lambda: ledger.changes_without_outcome(clock() - grace)):
        with told.collecting(f"{change.plan.target}: change {change.change_id} could not be judged"):
            if clock() >= observation_ends(change, policy) + grace:
                _judge(change, policy, reader(), sources, store, ledger, clock, told)
    for change in _own(told, "taken back", lambda: ledger.rollbacks_due(clock() - ROLLBACK_WITHIN, clock() - grace)):
        with told.collecting(f"{change.plan.target}: change {change.change_id} could not be taken back"):
            _take_back(change, policy, reader(), target, ledger, clock, told, patience)
    with told.collecting("events of runs that died"):
        _stranded(policy, ledger, clock(), told, stranded_after)
    with told.collecting("desired against actual"):
        drift(
            policy,
            told,
            run_id=run_id,
            reader=reader(),
            target=target,
            ledger=ledger,
            clock=clock,
            patience=patience,
        )
    for one in told.findings:
        ledger.record_finding(one)
    return told


def _own(told: Reconciled, what: str, find: Callable[[], Iterable[Change]]) -> list[Change]:
    """The policy's own changes among those found; none when the ledger cannot tell them, which is a problem."""
    with told.collecting(f"changes to be {what}"):
        return [one for one in find() if one.plan.policy == told.policy]
    return []


def _unfinished(
    policy: Policy, told: Reconciled, reader: Callable[[], TargetReader], find: Callable[[], Iterable[Change]]
) -> list[Change]:
    """Those of the policy, and those of its targets whoever began them: a policy may be renamed or removed."""
    with told.collecting("changes to be finished"):
        found = list(find())
        own = [one for one in found if one.plan.policy == policy.name]
        foreign = [
            one for one in found if one.plan.policy != policy.name and one.plan.target_kind == policy.targets.scope
        ]
        if foreign:
            fleet = set(reader().find(policy.targets))
            own += [one for one in foreign if one.plan.target in fleet]
        return own
    return []


def _finish(
    change: Change, policy: Policy, reader: TargetReader, ledger: Ledger, clock: Clock, told: Reconciled
) -> None:
    """Finish a change whose run died: what the target says is what happened."""
    plan, now = change.plan, clock()
    if change.state is ChangeState.APPLYING:
        ended = _finish_applying(change, reader, ledger, clock)
        if ended is None:
            return
        change = ended
        text = f"{plan.target}: {change.state.value}: {change.reason.text}"
        told.findings.append(finding(policy, plan.target, "unfinished_change", text, now, repaired=True))
    if change.state is ChangeState.APPLIED:
        (after,) = settle([change], policy=policy, target=reader, ledger=ledger, now=now)
        if after.state is ChangeState.SETTLED:
            told.finished.append(f"{plan.target}: {after.reason.text}")


def _finish_applying(change: Change, reader: TargetReader, ledger: Ledger, clock: Clock) -> Change | None:
    """Take the lease of a change that is applying, look at its target, and write down what came of it.

    :returns: the change as it ended; ``None`` while its lease is another's: somebody is still at work on it.
    """
    plan, holder = change.plan, new_holder()

    def take() -> Lease:
        return ledger.acquire_lease(plan.target_kind, plan.target, change.change_id, holder)

    try:
        hold = Hold.taken(take, ledger, clock)
    except LeaseHeld:
        return None
    with hold.given_back_on_trouble():
        now_known = ledger.change(change.change_id)
        if now_known is not None and now_known.state is not ChangeState.APPLYING:
            ledger.release_lease(hold.lease)
            return now_known
        state = look_again(reader, plan.target, reader.read([plan.target]).get(plan.target))
        return ledger.finish_change(change.change_id, _what_happened(plan, state), clock(), hold.lease)


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
    reader: TargetReader,
    sources: Callable[[], Mapping[str, Source]],
    store: BatchStore,
    ledger: Ledger,
    clock: Clock,
    told: Reconciled,
) -> None:
    """Record an outcome that was never recorded, about the time its run would have."""
    moment = observation_ends(change, policy)
    try:
        outcome = observe(
            change, policy=policy, sources=sources(), reader=reader, store=store, ledger=ledger, now=moment
        )
    except (SourceError, TargetError) as error:
        if isinstance(error, TargetError) and error.code != "target_missing":
            raise  # it cannot be asked just now; the metrics of that time do not run away
        why = why_unjudged(change, error)
        if why.code != "target_missing":
            told.problems.append(why.text)
        outcome = record_unjudged(change, why, policy=policy, ledger=ledger, now=clock())
    text = f"{change.plan.target}: {outcome.verdict.value}: {outcome.reasons[0].text}"
    if change.plan.reverts is not None:  # no run judges a roll-back, so nothing went wrong
        told.judged.append(text)
    else:
        told.findings.append(finding(policy, change.plan.target, "missing_outcome", text, clock(), repaired=True))


def _take_back(
    change: Change,
    policy: Policy,
    reader: TargetReader,
    target: Callable[[], Target],
    ledger: Ledger,
    clock: Clock,
    told: Reconciled,
    patience: Patience,
) -> None:
    """Take a change back whose own run did not: it died, or its attempt was refused or failed."""
    outcome = ledger.outcome_of(change.change_id)
    if outcome is None:
        return
    result = roll_back(
        change,
        outcome,
        policy=policy,
        reader=reader,
        target=target,
        ledger=ledger,
        clock=clock,
        attempts=ROLLBACK_ATTEMPTS,
        patience=patience,
    )
    plan = change.plan
    if result is None or (isinstance(result, Reason) and result.code in _NO_LONGER_DUE):
        return
    if isinstance(result, Change) and result.state not in (ChangeState.REFUSED, ChangeState.FAILED):
        told.finished.append(f"{plan.target}: taken back: {result.reason.text}")
        return
    why = result if isinstance(result, Reason) else result.reason
    text = f"{plan.target}: change {change.change_id} is to be taken back to {plan.from_units} and is not: {why.text}"
    if len(ledger.rollbacks_of(change.change_id)) >= ROLLBACK_ATTEMPTS:
        text += f". {ROLLBACK_ATTEMPTS} attempts came to nothing, there is no further one: see to it yourself"
    told.findings.append(finding(policy, plan.target, "rollback_due", text, clock(), expected=plan.from_units))


def _stranded(policy: Policy, ledger: Ledger, now: datetime, told: Reconciled, stranded_after: timedelta) -> None:
    """Events of runs that died without closing: those nothing was decided on wait again, for the next run."""
    whole_run = policy.feedback.in_service_timeout + policy.feedback.after + stranded_after
    for run_id in ledger.stranded_runs(now - stranded_after):
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
        told.findings.append(finding(policy, None, "stranded_events", text, now))
