"""Why: the whole chain from event to outcome, of one run or of one change."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from setpoint.ledger.changes import select_changes, took_effect
from setpoint.ledger.entries import last, latest
from setpoint.ledger.errors import AmbiguousReference
from setpoint.ledger.inbox import taken_by
from setpoint.ledger.outcomes import find_outcome
from setpoint.ledger.records import ChangeStep, ChangeStory, EventStory, Explanation
from setpoint.ledger.runs import find_run
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ChangeRow, DeliveryRow, EntryRow, RunRow
from setpoint.ledger.timeline import timeline
from setpoint.model.change import Change
from setpoint.model.decision import Decision
from setpoint.model.metrics import MetricBatch
from setpoint.model.plan import Plan
from setpoint.model.quality import QualityReport
from setpoint.model.signal import Signal
from setpoint.model.streak import Incident

SHORTEST = 4
"""Characters a shortened change id has at least."""


class Explain(Store):
    """Answers to "why did it do that?"."""

    def explain(self, ref: str) -> Explanation | None:
        """Everything the ledger knows of a change or a run.

        Of a change: its own chain, narrowed to its target, with the change it takes back and those that take it back.

        :param ref: a change id, the unique beginning of one (:data:`SHORTEST` characters or more), or a run id.
        :returns: ``None`` when nothing in the ledger has this name.
        :raises AmbiguousReference: several change ids begin so.
        """
        with self._database.read() as connection:
            if policy := _policy_of_run(connection, ref):
                return _explain_run(connection, ref, policy)
            change = _one_change(connection, ref)
            return None if change is None else _explain_change(connection, change)


def _policy_of_run(connection: Connection, run_id: str) -> str | None:
    # A run that died early is not in every table; any trace of it counts.
    for row in (RunRow, EntryRow, ChangeRow, DeliveryRow):
        policy = connection.scalars(select(row.policy).where(row.run_id == run_id).limit(1)).one_or_none()
        if policy is not None:
            return policy
    return None


def _one_change(connection: Connection, ref: str) -> Change | None:
    exact = select_changes(connection, ChangeRow.change_id == ref)
    if exact or len(ref) < SHORTEST:
        return exact[0] if exact else None
    found = select_changes(connection, ChangeRow.change_id.startswith(ref, autoescape=True), limit=6)
    if len(found) > 1:
        some = ", ".join(f"{one.change_id} ({one.plan.target})" for one in found[:5])
        raise AmbiguousReference(
            f"{ref!r} is the beginning of {'more than 5' if len(found) > 5 else len(found)} change ids: {some}. "
            f"Give more of the one you mean"
        )
    return found[0] if found else None


def _explain_run(connection: Connection, run_id: str, policy: str) -> Explanation:
    told = Explanation(
        about="run",
        reference=run_id,
        run_id=run_id,
        policy=policy,
        run=find_run(connection, run_id),
        events=tuple(EventStory(event=one.event, state=one.state) for one in taken_by(connection, run_id)),
        batch=last(connection, "batch", MetricBatch, run_id),
        report=last(connection, "report", QualityReport, run_id),
        incident=last(connection, "incident", Incident, run_id),
        signals=latest(connection, "signal", Signal, run_id),
        decisions=latest(connection, "decision", Decision, run_id),
        plan=last(connection, "plan", Plan, run_id),
        changes=_stories(connection, ChangeRow.run_id == run_id),
    )
    return told.model_copy(update={"timeline": timeline(told)})


def _explain_change(connection: Connection, change: Change) -> Explanation:
    plan, change_id = change.plan, change.change_id
    family = (ChangeRow.change_id == change_id) | (ChangeRow.reverts == change_id)
    if plan.reverts is not None:
        family |= ChangeRow.change_id == plan.reverts
    run = _explain_run(connection, plan.run_id, plan.policy)
    narrowed = {
        "about": "change",
        "reference": change_id,
        "target": plan.target,
        "report": run.report and run.report.model_copy(update={"series": run.report.of(plan.target)}),
        "signals": tuple(one for one in run.signals if one.target == plan.target),
        "decisions": tuple(one for one in run.decisions if one.target == plan.target),
        "changes": _stories(connection, family),
    }
    told = run.model_copy(update=narrowed)
    return told.model_copy(update={"timeline": timeline(told)})


def _stories(connection: Connection, which: ColumnElement[bool]) -> tuple[ChangeStory, ...]:
    return tuple(_story(connection, one) for one in select_changes(connection, which))


def _story(connection: Connection, change: Change) -> ChangeStory:
    change_id = change.change_id
    reverting = select_changes(connection, ChangeRow.reverts == change_id, took_effect())
    own_seq = select(ChangeRow.seq).where(ChangeRow.change_id == change_id).scalar_subquery()
    later = select_changes(
        connection,
        ChangeRow.target_kind == change.plan.target_kind,
        ChangeRow.target == change.plan.target,
        ChangeRow.seq > own_seq,
        took_effect(),
        limit=1,
    )
    entries = connection.execute(
        select(EntryRow.recorded_at, EntryRow.value)
        .where(EntryRow.kind == "change", EntryRow.change_id == change_id)
        .order_by(EntryRow.id)
    ).all()
    then = [(row.recorded_at, restore(Change, row.value, f"an entry of change {change_id}")) for row in entries]
    return ChangeStory(
        change=change,
        steps=tuple(ChangeStep(at=at, state=one.state, reason=one.reason) for at, one in then),
        outcome=find_outcome(connection, change_id),
        taken_back_by=reverting[-1].change_id if reverting else None,
        superseded_by=later[0].change_id if later else None,
    )
