"""Judging and deciding again over a stored batch, with the policy of today. Nothing is changed, nothing recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from setpoint.evidence.build import differences
from setpoint.evidence.case import Case, policy_digest
from setpoint.guards.memory import TargetMemory
from setpoint.model import Decision, QualityReport, TargetState
from setpoint.model.base import Value
from setpoint.policy.schema import Policy
from setpoint.quality.judge import judge_stored
from setpoint.sources.batches import BatchStore
from setpoint.steps.evaluate import aggregate_batch, decide_fleet

_NO_BOUND = 1_000_000


class Replay(Value):
    """What a stored batch leads to today, beside what it led to then."""

    batch_id: str
    policy: str
    policy_changed: bool | None
    """Whether the policy is another one than then; ``None`` when that is not known."""
    report: QualityReport
    decisions: tuple[Decision, ...]
    differs: tuple[str, ...]
    """What is different from then, a sentence each; empty when nothing is."""


def replay(case: Case, then: QualityReport, policy: Policy, store: BatchStore, now: datetime) -> Replay:
    """Judge a batch again, and decide on it again.

    The targets are taken to stand as they stood then, at rest: no change is open, no cooldown runs, the provider sets
    no bounds. So what differs, differs because of the policy (or of the gate).

    :param case: the batch's ``uri`` names the file to read.
    :raises GateError: Great Expectations could not evaluate an expectation.
    """
    report = judge_stored(store, case.batch, policy, now, case.history)[0]
    # One that could not be read then had no capacity to decide on.
    before = {one.target: one for one in case.decisions if one.from_units is not None}
    targets = [one for one in case.batch.targets if one in before]
    decisions, _ = decide_fleet(
        policy,
        run_id=case.run_id,
        targets=targets,
        report=report,
        signals=aggregate_batch(policy, case.batch, store=store),
        states=_states_of(before.values(), case.batch.pulled_at),
        memory={target: TargetMemory(target=target) for target in targets},
        now=case.batch.pulled_at,
        pulled_at=case.batch.pulled_at,
        dry_run=True,
    )
    return Replay(
        batch_id=case.batch.batch_id,
        policy=policy.name,
        policy_changed=None if case.policy_digest is None else case.policy_digest != policy_digest(policy),
        report=report,
        decisions=decisions,
        differs=(*differences(then, report), *_other_decisions(before, decisions)),
    )


def _states_of(decisions: Iterable[Decision], at: datetime) -> dict[str, TargetState]:
    states = {}
    for one in decisions:
        units = one.from_units or 0
        states[one.target] = TargetState(
            target=one.target,
            desired_units=units,
            in_service_units=units,
            min_units=0,
            max_units=max(_NO_BOUND, units),
            unit="unit",
            read_at=at,
        )
    return states


def _other_decisions(before: Mapping[str, Decision], now: Sequence[Decision]) -> list[str]:
    told = []
    for one in now:
        then = before[one.target]
        if (then.action, then.to_units) != (one.action, one.to_units):
            told.append(f"{one.target}: decided {_said(then)} then, would be {_said(one)} now: {one.reasons[0].text}")
    return told


def _said(decision: Decision) -> str:
    if not decision.action.changes:
        return decision.action.value
    return f"{decision.action.value} {decision.from_units} → {decision.to_units}"
