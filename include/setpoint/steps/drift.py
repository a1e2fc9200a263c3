"""Desired against actual: capacity that is missing, out of bounds, or that nobody recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from setpoint.guards.memory import TargetMemory
from setpoint.guards.repair import decide_repair
from setpoint.ledger import Finding, Ledger
from setpoint.model import PlannedChange, TargetState
from setpoint.policy.schema import Policy, Reconcile
from setpoint.steps.apply import Clock, carry_out
from setpoint.steps.evaluate import PLAN_LIFETIME
from setpoint.steps.look import look_again
from setpoint.steps.patience import Patience
from setpoint.steps.reconciled import Reconciled, finding
from setpoint.targets.contract import Target, TargetError, TargetReader


def drift(
    policy: Policy,
    told: Reconciled,
    *,
    run_id: str,
    reader: TargetReader,
    target: Callable[[], Target],
    ledger: Ledger,
    clock: Clock,
    patience: Patience,
) -> None:
    """Report each target that does not stand as the policy and the ledger have it; repair what may be repaired.

    :param told: takes the findings, and the problem of each target that could not be repaired.
    :param target: builds what can change a target; called only for a repair.
    :raises TargetError: the targets could not be found or read.
    """
    now = clock()
    names, states = _standing(policy, reader)
    memory = ledger.memory(policy.name, names, policy.targets.scope, now)
    for name in names:
        state = _certain(policy, reader, name, states.get(name), memory.get(name))
        if state is None:
            text = f"{name} is one of the policy's targets and does not exist (any more)"
            told.findings.append(finding(policy, name, "missing", text, now))
        elif not policy.limits.min <= state.desired_units <= policy.limits.max:
            with told.collecting(f"{name} could not be repaired"):
                repaired = _out_of_bounds(policy, run_id, state, memory.get(name), target, ledger, clock, patience)
                told.findings.append(repaired)
        elif (found := _inside(policy, state, memory.get(name), now)) is not None:
            told.findings.append(found)


def _standing(policy: Policy, reader: TargetReader) -> tuple[Sequence[str], Mapping[str, TargetState]]:
    try:
        names = reader.find(policy.targets)
    except TargetError as error:
        # One group that is gone says nothing about the others, which the policy names as well.
        if error.code != "target_missing" or not policy.targets.names():
            raise
        names = tuple(sorted(set(policy.targets.names())))
    return names, reader.read(names)


def _certain(
    policy: Policy, reader: TargetReader, name: str, state: TargetState | None, memory: TargetMemory | None
) -> TargetState | None:
    """A capacity that is to be reported, or repaired, is looked at again before it is believed."""
    expected = memory.last_to_units if memory else None
    inside = state is not None and policy.limits.min <= state.desired_units <= policy.limits.max
    if inside and (expected is None or state is None or state.desired_units == expected):
        return state
    return look_again(reader, name, state)


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
        return finding(
            policy, state.target, "changed_by_hand", text, now, expected=expected, actual=state.desired_units
        )
    if state.in_service_units != state.desired_units and not state.pending_units:
        text = (
            f"{state.target} wants {state.desired_units} and has {state.in_service_units} in service, none on its way"
        )
        return finding(
            policy,
            state.target,
            "not_in_service",
            text,
            now,
            expected=state.desired_units,
            actual=state.in_service_units,
        )
    return None


def _out_of_bounds(
    policy: Policy,
    run_id: str,
    state: TargetState,
    memory: TargetMemory | None,
    target: Callable[[], Target],
    ledger: Ledger,
    clock: Clock,
    patience: Patience,
) -> Finding:
    limits, now = policy.limits, clock()
    nearest = min(max(state.desired_units, limits.min), limits.max)
    text = f"{state.target} wants {state.desired_units}, outside the policy's {limits.min} to {limits.max}"

    def report(said: str, repaired: bool = False) -> Finding:
        return finding(
            policy,
            state.target,
            "out_of_bounds",
            said,
            now,
            expected=nearest,
            actual=state.desired_units,
            repaired=repaired,
        )

    decision = None
    if policy.reconcile is Reconcile.REPAIR and not policy.dry_run:
        decision = decide_repair(policy, run_id=run_id, state=state, memory=memory, now=now)
    if decision is None:
        return report(text)
    ledger.record("decision", decision, run_id=run_id, policy=policy.name, target=state.target)
    if not decision.action.changes:
        text = f"{text}; not repaired now: {decision.reasons[0].text}"
        return report(text)
    change = carry_out(
        PlannedChange.of(decision, policy.targets.scope),
        policy=policy,
        plan_expires_at=now + PLAN_LIFETIME,
        target=target(),
        ledger=ledger,
        clock=clock,
        patience=patience,
    )
    text = f"{text}; on the way back to {decision.to_units}: {change.state.value}, {change.reason.text}"
    return report(text, repaired=change.state.effective)
