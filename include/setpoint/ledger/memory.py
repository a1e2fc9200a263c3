"""What the guards want to know about targets: when each last moved, whether it still does, and if that was judged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import aliased

from setpoint.guards.memory import TargetMemory
from setpoint.ledger.changes import EFFECTIVE, OPEN
from setpoint.ledger.outcomes import CAME_TO_NOTHING
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ChangeRow, OutcomeRow
from setpoint.model.decision import Action
from setpoint.model.outcome import Followed

_AT_ONCE = 10_000
"""Targets in one query; databases bound the number of parameters (SQLite: 32,766)."""


class Memory(Store):
    """Cooldowns, open and unjudged changes, so that they survive a restart."""

    def memory(self, policy: str, targets: Iterable[str], target_kind: str, now: datetime) -> dict[str, TargetMemory]:
        """What is remembered of some targets: one query for a fleet of up to 10,000.

        A target belongs to nobody: changes of every policy count, not only those of ``policy``. Dry runs are refused,
        so they do not. A change counts whatever its time says, also when another machine's clock wrote a time after
        ``now``.

        :returns: a memory for every target asked for; an empty one for a target that never changed.
        """
        wanted = list(dict.fromkeys(targets))
        remembered = {target: TargetMemory(target=target) for target in wanted}
        with self._database.read() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                asked = {"target_kind": target_kind, "targets": wanted[start : start + _AT_ONCE]}
                for row in connection.execute(_query(), asked).mappings():
                    remembered[row["target"]] = restore(TargetMemory, _fields(row), f"the memory of {row['target']}")
        return remembered


def _fields(row: RowMapping) -> dict[str, Any]:
    fields = dict(row)
    # Read here and not by the database: PostgreSQL reads nothing out of a document whose text holds a NUL.
    plan = fields.pop("plan")
    return {**fields, "last_from_units": plan and plan["from_units"]}


@cache
def _query() -> Select[Any]:
    """The one query, with parameters ``target_kind`` and ``targets``; saying it anew takes 10 ms."""
    effective = ChangeRow.state.in_(EFFECTIVE)
    out = case((and_(effective, ChangeRow.action == Action.SCALE_OUT.value), ChangeRow.applied_at))
    in_ = case((and_(effective, ChangeRow.action == Action.SCALE_IN.value), ChangeRow.applied_at))
    per_target = (
        select(
            ChangeRow.target,
            func.max(out).label("last_out_at"),
            func.max(in_).label("last_in_at"),
            func.max(case((ChangeRow.state.in_(OPEN), ChangeRow.seq))).label("open_seq"),
            func.max(case((effective, ChangeRow.seq))).label("last_seq"),
        )
        .where(
            ChangeRow.target_kind == bindparam("target_kind"),
            ChangeRow.target.in_(bindparam("targets", expanding=True)),
        )
        .group_by(ChangeRow.target)
        .subquery()
    )
    open_change, last_change = aliased(ChangeRow), aliased(ChangeRow)
    return (
        select(
            per_target.c.target,
            per_target.c.last_out_at,
            per_target.c.last_in_at,
            open_change.change_id.label("open_change_id"),
            last_change.plan,
            last_change.to_units.label("last_to_units"),
            case((_unjudged(last_change), last_change.change_id)).label("unjudged_change_id"),
        )
        .outerjoin(open_change, open_change.seq == per_target.c.open_seq)
        .outerjoin(last_change, last_change.seq == per_target.c.last_seq)
        .outerjoin(OutcomeRow, OutcomeRow.change_id == last_change.change_id)
    )


def _unjudged(change: type[ChangeRow]) -> ColumnElement[bool]:
    """A change, joined with its outcome, has none; or that asks for a roll-back, and nothing took the change back."""
    rollback = aliased(ChangeRow)
    taken_back = select(rollback.seq).where(
        rollback.target_kind == change.target_kind,
        rollback.target == change.target,
        rollback.reverts == change.change_id,
        rollback.state.not_in(CAME_TO_NOTHING),
    )
    due = and_(OutcomeRow.followed == Followed.ROLL_BACK.value, ~taken_back.exists())
    return and_(change.reverts.is_(None), or_(OutcomeRow.change_id.is_(None), due))
