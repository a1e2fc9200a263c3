"""Runs, and the values they make on the way from event to outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from setpoint.ledger.claims import require_events
from setpoint.ledger.entries import Subject, append_one, append_set, last, latest
from setpoint.ledger.errors import Conflict, NotRecorded
from setpoint.ledger.records import Run
from setpoint.ledger.store import Store, V, restore
from setpoint.ledger.tables import RunRow
from setpoint.model.base import Value
from setpoint.model.decision import Decision
from setpoint.model.metrics import MetricBatch
from setpoint.model.plan import Plan
from setpoint.model.quality import QualityReport
from setpoint.model.signal import Signal

RUNNING = "running"


class Runs(Store):
    """What each run saw and decided. How retries are kept is told in :mod:`setpoint.ledger.entries`."""

    def start_run(
        self, run_id: str, policy: str, started_at: datetime, trigger: str, dry_run: bool, event_ids: Sequence[str]
    ) -> Run:
        """Write down that a run has begun. Once more for the same run: it runs again, its first start stays.

        :param run_id: unique across policies; an Airflow run id alone is not, two Dags may share it.
        :param trigger: why the run began: ``event``, ``schedule``, a user's name ...
        :raises Conflict: the run belongs to another policy.
        """
        row = {
            "run_id": run_id,
            "policy": policy,
            "trigger": trigger,
            "dry_run": dry_run,
            "event_ids": list(event_ids),
            "state": RUNNING,
            "attempts": 1,
            "started_at": started_at,
        }
        with self._database.write() as connection:
            insert = self._database.insert(RunRow).on_conflict_do_nothing().returning(RunRow.run_id)
            if connection.scalars(insert, [row]).one_or_none() is None:
                known = get_run(connection, run_id)
                if known.policy != policy:
                    raise Conflict(
                        f"run {run_id} is one of policy {known.policy} and cannot be one of {policy} too; run ids "
                        f"are unique across policies (an Airflow run id alone is not)"
                    )
                again = {name: row[name] for name in ("trigger", "dry_run", "event_ids", "state")}
                connection.execute(
                    update(RunRow)
                    .where(RunRow.run_id == run_id)
                    .values(**again, attempts=RunRow.attempts + 1, reason=None, finished_at=None)
                )
            return get_run(connection, run_id)

    def finish_run(self, run_id: str, state: str, reason: str, finished_at: datetime) -> Run:
        """Write down how a run ended; the last word counts.

        :param state: such as ``succeeded`` or ``failed``; at most 50 characters.
        :param reason: in a sentence.
        :raises NotRecorded: the run was never started.
        """
        with self._database.write() as connection:
            values = {"state": state, "reason": reason, "finished_at": finished_at}
            connection.execute(update(RunRow).where(RunRow.run_id == run_id).values(**values))
            return get_run(connection, run_id)

    def run(self, run_id: str) -> Run | None:
        """A run, or ``None`` when it was never started."""
        with self._database.read() as connection:
            return find_run(connection, run_id)

    def record(
        self,
        kind: str,
        value: Value,
        *,
        run_id: str,
        policy: str,
        target: str | None = None,
        change_id: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Keep one value for ever. On a retry the latest value of the same run, kind, target and change is the one
        read.

        :param target: the target it is about; the value's own when left out.
        :param change_id: the change it is about; the value's own when left out.
        :param at: when it came to be; now when left out.
        :returns: whether anything was written; the same value again is not.
        :raises TypeError: the value is not of the model this kind of entry holds.
        """
        subject = Subject(
            run_id,
            policy,
            target if target is not None else getattr(value, "target", None),
            change_id if change_id is not None else getattr(value, "change_id", None),
        )
        with self._database.write() as connection:
            return append_one(self._database, connection, kind, value, subject, at or self._clock())

    def record_many(
        self,
        kind: str,
        values: Sequence[tuple[str | None, Value]],
        *,
        run_id: str,
        policy: str,
        at: datetime | None = None,
    ) -> bool:
        """Keep the whole set of a run's values of one kind, in one transaction. On a retry the latest set is read.

        :param values: each value with the target it is about.
        :param at: when they came to be; now when left out.
        :returns: whether anything was written; the same set again is not, and an empty one never.
        :raises TypeError: a value is not of the model this kind of entry holds.
        """
        with self._database.write() as connection:
            return self._append_set(connection, kind, values, run_id, policy, at or self._clock())

    def record_decisions(self, run_id: str, decisions: Sequence[Decision], plan: Plan | None = None) -> None:
        """Keep all of a run's decisions, and the plan that carries them out, in one transaction: both or neither.

        :raises ValueError: a decision, or the plan, is of another run, or they are of more than one policy.
        :raises EventsLost: the run was taken for dead meanwhile; its events are another's to decide on.
        """
        parts: list[Decision | Plan] = [*decisions, *([plan] if plan is not None else [])]
        strangers = sorted({one.run_id for one in parts} - {run_id})
        policies = sorted({one.policy for one in parts})
        if strangers or len(policies) > 1:
            raise ValueError(
                f"the decisions and the plan of run {run_id} are recorded together; these are of run "
                f"{', '.join(strangers or [run_id])} and policy {', '.join(policies)}"
            )
        with self._database.write() as connection:
            require_events(connection, run_id)
            if decisions:
                at = max(one.decided_at for one in decisions)
                by_target = [(one.target, one) for one in decisions]
                self._append_set(connection, "decision", by_target, run_id, policies[0], at)
            if plan is not None:
                subject = Subject(run_id, plan.policy)
                append_one(self._database, connection, "plan", plan, subject, plan.created_at)

    def batch_of(self, run_id: str) -> MetricBatch | None:
        """The metric batch a run judged and decided on, of its latest attempt."""
        return self._last("batch", MetricBatch, run_id)

    def report_of(self, run_id: str) -> QualityReport | None:
        """The gate's report in a run, of its latest attempt."""
        return self._last("report", QualityReport, run_id)

    def value_of(self, run_id: str, kind: str, model: type[V]) -> V | None:
        """A run's one value of a kind that the ledger has no name for, of its latest attempt."""
        return self._last(kind, model, run_id)

    def signals_of(self, run_id: str) -> tuple[Signal, ...]:
        """A run's signals, of its latest attempt."""
        with self._database.read() as connection:
            return latest(connection, "signal", Signal, run_id)

    def decisions_of(self, run_id: str) -> tuple[Decision, ...]:
        """A run's decisions, of its latest attempt."""
        with self._database.read() as connection:
            return latest(connection, "decision", Decision, run_id)

    def plan_of(self, run_id: str) -> Plan | None:
        """A run's plan, of its latest attempt; ``None`` when nothing was to be changed."""
        return self._last("plan", Plan, run_id)

    def _append_set(
        self,
        connection: Connection,
        kind: str,
        values: Sequence[tuple[str | None, Value]],
        run_id: str,
        policy: str,
        at: datetime,
    ) -> bool:
        described = [
            (value, Subject(run_id, policy, target, getattr(value, "change_id", None))) for target, value in values
        ]
        return append_set(self._database, connection, kind, described, at)

    def _last(self, kind: str, model: type[V], run_id: str) -> V | None:
        with self._database.read() as connection:
            return last(connection, kind, model, run_id)


def find_run(connection: Connection, run_id: str) -> Run | None:
    """A run, or ``None`` when it was never started."""
    row = connection.execute(select(RunRow.__table__).where(RunRow.run_id == run_id)).mappings().one_or_none()
    return None if row is None else restore(Run, dict(row), f"setpoint_runs {run_id}")


def get_run(connection: Connection, run_id: str) -> Run:
    """A run.

    :raises NotRecorded: it was never started.
    """
    run = find_run(connection, run_id)
    if run is None:
        raise NotRecorded(
            f"the ledger has no run {run_id}; a run is started (start_run) before anything else is said of it"
        )
    return run
