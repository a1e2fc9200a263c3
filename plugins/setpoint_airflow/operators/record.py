"""The quiet endings: hold, quarantine, and the closing of every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context

from setpoint.ledger.records import Fate
from setpoint.model import Action, Change, ChangeState, Decision, Verdict
from setpoint_airflow.exceptions import RunFailedError
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.operators.evaluate import pulled_batch
from setpoint_airflow.quality_stats import tell_quarantined
from setpoint_airflow.quarantine import quarantine
from setpoint_airflow.runtime import Runtime, utc_now


class HoldOperator(PolicyOperator):
    """Nothing changes, for a reason each; the decisions are in the ledger already, here is what people read."""

    ui_color = "#f1f5f9"

    def execute(self, context: Context) -> dict[str, str]:
        with self.runtime(context) as run:
            held = [one for one in run.ledger.decisions_of(run.run_id) if one.action is Action.HOLD]
        for one in held[:100]:
            self.log.info("%s: %s", one.target, one.reasons[0].text)
        return {one.target: one.reasons[0].text for one in held[:100]}


class QuarantineOperator(PolicyOperator):
    """The data cannot be trusted: keep the batch and its report aside, change nothing."""

    ui_color = "#fde68a"

    def execute(self, context: Context) -> dict[str, Any]:
        with self.runtime(context) as run:
            report = run.ledger.report_of(run.run_id)
            if report is None:
                raise LookupError(f"{run.run_id}: no quality report is recorded for the batch in quarantine")
            kept = quarantine(run, pulled_batch(run), report, utc_now(), self.log)
            distrusted = [one for one in run.ledger.decisions_of(run.run_id) if one.quality is Verdict.FAIL]
        for one in distrusted[:100]:
            self.log.warning("%s: %s", one.target, one.reasons[0].text)
        tell_quarantined(self.policy)
        self.log.info("Batch %s: %s, and its page at %s", kept.batch_id, kept.report, kept.page)
        return {**kept._asdict(), "targets": {one.target: one.reasons[0].text for one in distrusted[:100]}}


class CloseRunOperator(PolicyOperator):
    """Close the run in the ledger, however it went; fail when anything in it failed.

    Runs after everything else (``all_done``). A run that died before it decided gives its events back, so that the next
    run takes them.
    """

    ui_color = "#f1f5f9"

    def execute(self, context: Context) -> str:
        ti, run_id = context["ti"], context["run_id"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
        failed = sorted(name for name, state in states.items() if state == "failed")
        with self.runtime(context) as run:
            self._keep_failed(run, states)
            decisions = run.ledger.decisions_of(run.run_id)
            if not decisions and not failed:
                skipped = "skipped" in (states.get("take_events"), states.get("decide"))
                return "nothing to do" if skipped else _close_empty(run)
            reason = _close_decided(run, decisions, failed) if decisions else _close_undecided(run, failed)
        if failed:
            raise RunFailedError(f"{reason}. See those tasks' logs, and: setpoint explain {run.run_id!r}")
        return reason

    def _keep_failed(self, run: Runtime, states: Mapping[str, str]) -> None:
        """Put a failing batch aside that no decision was about: only metrics failed that decide nothing (health)."""
        if states.get("quarantine") == "success":
            return
        report = run.ledger.report_of(run.run_id)
        if report is not None and report.verdict is Verdict.FAIL:
            kept = quarantine(run, pulled_batch(run), report, utc_now(), self.log)
            tell_quarantined(self.policy)
            self.log.info("Batch %s failed the gate: %s, and its page at %s", *kept)


def _close_decided(run: Runtime, decisions: Sequence[Decision], failed: Sequence[str]) -> str:
    counts = {action: sum(one.action is action for one in decisions) for action in Action}
    reason = ", ".join(f"{count} {action.value}" for action, count in counts.items() if count)
    changes = run.ledger.changes_of(run.run_id)
    ended = {state: sum(one.state is state for one in changes) for state in (ChangeState.REFUSED, ChangeState.NO_OP)}
    reason += "".join(f"; {count} {state.value}" for state, count in ended.items() if count)
    reason += f"; failed: {', '.join(failed)}" if failed else ""
    now = utc_now()
    run.ledger.close_events(run.run_id, "failed" if failed else _fate(decisions, changes), now)
    run.ledger.finish_run(run.run_id, "failed" if failed else "succeeded", reason, now)
    return reason


def _close_empty(run: Runtime) -> str:
    """The policy selects no target at all: nothing to decide about, and nothing that another run would do better."""
    now, reason = utc_now(), "the policy's targets section finds no target"
    run.ledger.close_events(run.run_id, "held", now)
    run.ledger.finish_run(run.run_id, "succeeded", reason, now)
    return reason


def _close_undecided(run: Runtime, failed: Sequence[str]) -> str:
    """A run that died before it decided: its events wait again, for the next run."""
    now = utc_now()
    if run.ledger.run(run.run_id) is None:  # it died taking its events in
        run.ledger.start_run(
            run.run_id, run.policy.name, started_at=now, trigger="unknown", dry_run=run.policy.dry_run, event_ids=()
        )
    released = run.ledger.release_events(run.run_id)
    reason = f"failed before deciding: {', '.join(failed)}; {len(released.waiting)} of its events are waiting again"
    if released.given_up:
        reason += f", {len(released.given_up)} were given up after too many attempts"
    run.ledger.finish_run(run.run_id, "failed", reason, now)
    return reason


def _fate(decisions: Sequence[Decision], changes: Sequence[Change]) -> Fate:
    """What became of a run's events. Acted on is only what changed something: no dry run, no refusal."""
    if any(one.state.effective for one in changes):
        return "acted"
    return "quarantined" if all(one.action is Action.QUARANTINE for one in decisions) else "held"
