"""The history: what was decided, what came of it, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import aliased

from setpoint.ledger.changes import as_change
from setpoint.ledger.entries import is_latest
from setpoint.ledger.records import HistoryRow
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ChangeRow, EntryRow, OutcomeRow
from setpoint.model.decision import Decision


class History(Store):
    """Reading across runs."""

    def history(
        self,
        policy: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        changes_only: bool = False,
    ) -> list[HistoryRow]:
        """Decisions with what came of them, and the changes that took others back; newest first.

        :param policy: only this policy's.
        :param target: only this target's.
        :param since: only what was decided at or after this moment.
        :param limit: rows at most.
        :param changes_only: leave out decisions that no change came of; they do not count towards ``limit``.
        """
        decisions = _narrow(_with_changes(), EntryRow, EntryRow.recorded_at, policy, target, since)
        if changes_only:
            decisions = decisions.where(ChangeRow.change_id.is_not(None))
        decisions = decisions.order_by(EntryRow.recorded_at.desc(), EntryRow.id.desc()).limit(limit)
        reverts = _narrow(_reverts(), ChangeRow, ChangeRow.intended_at, policy, target, since)
        reverts = reverts.order_by(ChangeRow.intended_at.desc(), ChangeRow.seq.desc()).limit(limit)
        with self._database.read() as connection:
            # Roll-backs first: where one has the time of its decision, it came later.
            rows = [_of_revert(row) for row in connection.execute(reverts)]
            rows += [_of_decision(row) for row in connection.execute(decisions)]
        return sorted(rows, key=lambda row: row.at, reverse=True)[:limit]

    def decisions_since(self, since: datetime, policy: str | None = None) -> tuple[Decision, ...]:
        """The decisions recorded at or after a moment, of one policy or of all, in that order."""
        query = select(EntryRow.id, EntryRow.value).where(EntryRow.kind == "decision", is_latest())
        query = _narrow(query, EntryRow, EntryRow.recorded_at, policy, None, since)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(EntryRow.recorded_at, EntryRow.id)).all()
        return tuple(restore(Decision, row.value, f"setpoint_entries {row.id}") for row in rows)


def _with_changes() -> Select[Any]:
    other = aliased(ChangeRow)
    last_change = (
        select(func.max(other.seq))
        .where(
            other.run_id == EntryRow.run_id,
            other.policy == EntryRow.policy,
            other.target == EntryRow.target,
            other.reverts.is_(None),
        )
        .scalar_subquery()
    )
    back = aliased(ChangeRow)
    # A roll-back is of its change's run; that narrows the search to a few rows.
    last_rollback = (
        select(back.state)
        .where(back.run_id == ChangeRow.run_id, back.reverts == ChangeRow.change_id)
        .order_by(back.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            EntryRow.id,
            EntryRow.value,
            ChangeRow.change_id,
            ChangeRow.state,
            OutcomeRow.verdict,
            OutcomeRow.followed,
            last_rollback.label("rollback_state"),
        )
        .select_from(EntryRow)
        .outerjoin(ChangeRow, ChangeRow.seq == last_change)
        .outerjoin(OutcomeRow, OutcomeRow.change_id == ChangeRow.change_id)
        .where(EntryRow.kind == "decision", is_latest())
    )


def _reverts() -> Select[Any]:
    return (
        select(ChangeRow.__table__, OutcomeRow.verdict, OutcomeRow.followed)
        .select_from(ChangeRow)
        .outerjoin(OutcomeRow, OutcomeRow.change_id == ChangeRow.change_id)
        .where(ChangeRow.reverts.is_not(None))
    )


def _narrow(
    query: Select[Any], table: Any, moment: Any, policy: str | None, target: str | None, since: datetime | None
) -> Select[Any]:
    conditions = []
    if policy is not None:
        conditions.append(table.policy == policy)
    if target is not None:
        conditions.append(table.target == target)
    if since is not None:
        conditions.append(moment >= since)
    return query.where(and_(*conditions)) if conditions else query


def _of_decision(row: Row[Any]) -> HistoryRow:
    where = f"setpoint_entries {row.id}"
    decision = restore(Decision, row.value, where)
    return restore(
        HistoryRow,
        {
            **decision.model_dump(
                include={"run_id", "policy", "target", "action", "from_units", "to_units", "quality", "dry_run"}
            ),
            "at": decision.decided_at,
            "reason": decision.reasons[0],
            "change_id": row.change_id,
            "change_state": row.state,
            "verdict": row.verdict,
            "followed": row.followed,
            "rollback_state": row.rollback_state,
        },
        where,
    )


def _of_revert(row: Row[Any]) -> HistoryRow:
    change = as_change(row)
    return restore(
        HistoryRow,
        {
            **change.plan.model_dump(
                include={
                    "run_id",
                    "policy",
                    "target",
                    "action",
                    "from_units",
                    "to_units",
                    "dry_run",
                    "change_id",
                    "reverts",
                }
            ),
            "at": change.intended_at,
            "reason": {"code": "rolls_back", "text": change.plan.reason or f"takes back change {change.plan.reverts}"},
            "quality": None,
            "change_state": change.state,
            "verdict": row.verdict,
            "followed": row.followed,
        },
        f"setpoint_changes {change.change_id}",
    )
