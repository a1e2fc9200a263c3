"""Decision and Plan: decide about every target, and branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.branch import BranchMixIn
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.xcom import XCom

from setpoint.ledger import EventsLost
from setpoint.model import Action, Decision, Verdict
from setpoint.planning.plan import chunks
from setpoint.steps.consequences import remember_verdict
from setpoint.steps.evaluate import decide_fleet
from setpoint.steps.intake import taken_in
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.operators.evaluate import pulled_batch
from setpoint_airflow.runtime import utc_now


class DecideOperator(PolicyOperator, BranchMixIn):
    """Read how the targets stand, decide about each, record every decision, and branch to what follows.

    Returns the plan in chunks, each of one direction; the tasks that change capacity are mapped over them.
    A mixed fleet takes several branches in one run.
    """

    ui_color = "#fef9c3"
    inherits_from_skipmixin = True

    def execute(self, context: Context) -> list[dict[str, Any]]:
        ti = context["ti"]
        with self.runtime(context) as run:
            intake = taken_in(run.ledger, run.run_id)
            now = utc_now()
            batch = pulled_batch(run)
            targets = batch.targets
            report = run.ledger.report_of(run.run_id)
            if report is None:
                raise LookupError(f"{run.run_id}: no quality report is recorded, so nothing may be decided")
            after = remember_verdict(run.policy, run.run_id, batch, report, run.ledger)
            decisions, plan = decide_fleet(
                run.policy,
                run_id=run.run_id,
                targets=targets,
                report=report,
                signals=run.ledger.signals_of(run.run_id),
                states=run.reader.read(targets),
                memory=run.ledger.memory(run.policy.name, targets, run.policy.targets.scope, now),
                pulled_at=batch.pulled_at,
                now=now,
                streaks=after.streaks,
                request=intake.request,
                event_ids=intake.event_ids,
                dry_run=intake.dry_run,
            )
            try:
                run.ledger.record_decisions(run.run_id, decisions, plan)
            except EventsLost as lost:
                # No failure: reconciliation took this slow run for dead, and another run has its events.
                run.ledger.finish_run(run.run_id, "nothing_to_do", str(lost), utc_now())
                raise AirflowSkipException(str(lost)) from lost
        if after.incident is not None:
            self.log.warning("%s", after.incident)
        for one in decisions:
            self.log.info("%s: %s: %s", one.target, one.action.value, "; ".join(reason.text for reason in one.reasons))
        portions = [
            {"action": chunk.direction.value, "change_ids": [change.change_id for change in chunk.changes]}
            for chunk in chunks(plan)
        ]
        _push_mappable(ti, portions)
        self.do_branch(context, _branches(decisions))
        return portions


def _branches(decisions: Sequence[Decision]) -> list[str]:
    """The branches to take. A batch that failed is put aside also where a fallback or a request changes something."""
    actions = {one.action for one in decisions}
    if any(one.quality is Verdict.FAIL and one.from_units is not None for one in decisions):
        actions.add(Action.QUARANTINE)
    return [action.value for action in Action if action in actions]


def _push_mappable(ti: Any, portions: list[dict[str, Any]]) -> None:
    """Push the return value, so that tasks can be mapped over it.

    ``do_branch`` ends the task with an exception as soon as there is something to skip, and Airflow 3.3 then drops the
    return value; it also pushes the length, which mapping needs, with a return value only. A branch task of its own
    would do without this, and cost every event another hop.
    """
    XCom.set(
        key="return_value",
        value=portions,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        _mapped_length=len(portions),
    )
