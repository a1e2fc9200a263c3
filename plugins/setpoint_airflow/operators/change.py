"""Change: carry out a part of the plan; take a harmful change back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from setpoint.model import Change, ChangeState, Plan, PlannedChange, Reason
from setpoint.steps.apply import carry_out, ended_without_target
from setpoint.steps.patience import Patience
from setpoint.steps.roll_back import roll_back
from setpoint.steps.settle import settle
from setpoint.targets.contract import TargetError
from setpoint_airflow.exceptions import ChangesFailedError, ChangesFailedForGoodError
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.runtime import Runtime, plan_chunk, utc_now


class ApplyChangesOperator(PolicyOperator):
    """Carry out the changes of one chunk of the plan.

    A chunk of the other direction is skipped: both directions are mapped over the whole plan. A change that is refused
    is a result; one that fails fails the task, after the others of the chunk had their turn.

    :param direction: ``scale_out`` or ``scale_in``.
    :param chunk: one chunk, as :class:`DecideOperator` returns it.
    """

    template_fields: Sequence[str] = ("chunk",)
    ui_color = "#dcfce7"

    def __init__(self, *, direction: str, chunk: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.direction = direction
        self.chunk = chunk

    def execute(self, context: Context) -> list[dict[str, Any]]:
        action, change_ids = plan_chunk(self.chunk)
        if action != self.direction:
            raise AirflowSkipException(f"This part of the plan is {action}; {self.direction} has nothing to do in it")
        with self.runtime(context) as run:
            plan = run.ledger.plan_of(run.run_id)
            if plan is None:
                raise LookupError(f"{run.run_id}: no plan is recorded, so nothing may be changed")
            results, unknown, patience = [], [], Patience()
            for planned in plan.changes:
                if planned.change_id not in change_ids:
                    continue
                try:
                    results.append(_carry_out(run, planned, plan, patience))
                except TargetError as error:
                    unknown.append(f"{planned.target}: {error}")
        for change in results:
            self.log.info("%s: %s: %s", change.plan.target, change.state.value, change.reason.text)
        _raise_for(results, unknown)
        return [_row(change) for change in results]


class RollBackOperator(PolicyOperator):
    """Take back the changes of a chunk whose outcome says so, and wait until the old capacity is in service.

    A roll-back that is refused or fails is tried again by ``setpoint.reconcile``.
    """

    template_fields: Sequence[str] = ("chunk",)
    ui_color = "#fee2e2"

    def __init__(self, *, chunk: Any, poll_seconds: float = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chunk = chunk
        self.poll_seconds = poll_seconds

    def execute(self, context: Context) -> list[dict[str, Any]]:
        _, change_ids = plan_chunk(self.chunk)
        taken_back, problems, patience = [], [], Patience()
        with self.runtime(context) as run:
            for change in run.changes(change_ids):
                outcome = run.ledger.outcome_of(change.change_id)
                if outcome is None:
                    continue
                try:
                    result = roll_back(
                        change,
                        outcome,
                        policy=run.policy,
                        reader=run.reader,
                        target=lambda: run.target,
                        ledger=run.ledger,
                        clock=utc_now,
                        patience=patience,
                    )
                except TargetError as error:
                    problems.append(f"{change.plan.target}: {error}")
                    continue
                if isinstance(result, Reason):
                    self.log.warning("%s: not taken back: %s", change.plan.target, result.text)
                elif result is not None:
                    self.log.info("%s: %s: %s", change.plan.target, result.state.value, result.reason.text)
                    taken_back.append(result)
            _raise_for(taken_back, problems)
            if not taken_back:
                raise AirflowSkipException("No change of this chunk did harm, or none can be taken back")
            waiting = self._settle(run, [one.change_id for one in taken_back])
        if waiting:
            self.defer_until_settled(context, [one.change_id for one in taken_back], self.poll_seconds)
        return [_row(change) for change in taken_back]

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Resume when the old capacity is in service, or its time is up."""
        with self.runtime(context) as run:
            self._settle(run, event["change_ids"])
            return [_row(change) for change in run.changes(event["change_ids"])]

    def _settle(self, run: Runtime, change_ids: Sequence[str]) -> bool:
        after = settle(run.changes(change_ids), policy=run.policy, target=run.reader, ledger=run.ledger, now=utc_now())
        return any(one.state is ChangeState.APPLIED for one in after)


def _carry_out(run: Runtime, planned: PlannedChange, plan: Plan, patience: Patience) -> Change:
    ended = ended_without_target(planned, policy=run.policy, ledger=run.ledger, clock=utc_now)
    if ended is not None:
        return ended  # a dry run comes this way: nothing that could change a target is even built
    return carry_out(
        planned,
        policy=run.policy,
        plan_expires_at=plan.expires_at,
        target=run.target,
        ledger=run.ledger,
        clock=utc_now,
        patience=patience,
    )


def _row(change: Change) -> dict[str, Any]:
    """A change as people read it in the XCom tab."""
    return {
        "change_id": change.change_id,
        "target": change.plan.target,
        "from": change.plan.from_units,
        "to": change.plan.to_units,
        "state": change.state.value,
        "reason": change.reason.text,
    }


def _raise_for(changes: Sequence[Change], unknown: Sequence[str]) -> None:
    failed = [f"{one.plan.target}: {one.reason.text}" for one in changes if one.state is ChangeState.FAILED]
    if unknown:
        raise ChangesFailedError(failed=failed, unknown=unknown)
    if failed:
        raise ChangesFailedForGoodError(failed=failed)
