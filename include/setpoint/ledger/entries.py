"""The append-only record of every value.

An entry is never updated and never deleted. When a task is retried it writes its values again, so entries are kept in
slots:

* one value, written by ``record``, has the slot of its target and change;
* a set of values, written at once by ``record_many``, has one slot together, and ``position`` is the place in the set.

Within a run, a kind and a slot, ``attempt`` counts the different answers. The same answer again writes nothing;
another one is added with the next attempt, and **the latest attempt is the one that is read**. So a set that came out
smaller on a retry leaves nothing of the first try behind, and the first try can still be looked up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, cast, func, insert, select
from sqlalchemy.orm import aliased

from setpoint.ledger.database import Database
from setpoint.ledger.store import V, restore_text
from setpoint.ledger.tables import EntryRow
from setpoint.ledger.types import escape, json_text
from setpoint.model.base import Value, digest
from setpoint.model.change import Change
from setpoint.model.decision import Decision
from setpoint.model.metrics import MetricBatch
from setpoint.model.outcome import Outcome
from setpoint.model.plan import Plan
from setpoint.model.quality import QualityReport
from setpoint.model.signal import Signal
from setpoint.model.streak import Incident

MODELS: dict[str, type[Value]] = {
    "batch": MetricBatch,
    "report": QualityReport,
    "signal": Signal,
    "decision": Decision,
    "plan": Plan,
    "change": Change,
    "outcome": Outcome,
    "incident": Incident,
}
"""The kinds the ledger reads back, and their models. Any other kind is kept just as well, for people to read."""

_SET = "set"


class Subject(NamedTuple):
    """What an entry is about."""

    run_id: str
    policy: str
    target: str | None = None
    change_id: str | None = None


def append_one(
    database: Database, connection: Connection, kind: str, value: Value, subject: Subject, at: datetime
) -> bool:
    """Write one value in the slot of its target and change.

    :returns: whether it was written; the same value again is not.
    """
    slot = digest(escape(subject.target or ""), subject.change_id)
    return _append(database, connection, kind, slot, [(value, subject)], at)


def append_set(
    database: Database, connection: Connection, kind: str, described: Sequence[tuple[Value, Subject]], at: datetime
) -> bool:
    """Write a run's values of one kind in one slot.

    :returns: whether it was written; the same set in the same order again is not, and an empty one never.
    """
    return bool(described) and _append(database, connection, kind, _SET, described, at)


def is_latest() -> ColumnElement[bool]:
    """An entry belongs to the latest attempt in its slot."""
    newer = aliased(EntryRow)
    return ~(
        select(newer.id)
        .where(
            newer.run_id == EntryRow.run_id,
            newer.kind == EntryRow.kind,
            newer.slot == EntryRow.slot,
            newer.attempt > EntryRow.attempt,
        )
        .exists()
    )


def latest(connection: Connection, kind: str, model: type[V], run_id: str) -> tuple[V, ...]:
    """A run's values of one kind: of each slot the latest attempt, in the order in which they were written."""
    rows = connection.execute(_latest(), {"run": run_id, "kind": kind})
    return tuple(restore_text(model, row.text, f"setpoint_entries {row.id}") for row in rows)


@cache
def _latest() -> Select[int, str]:
    return (
        # As text: a fleet's values are many, and the model reads JSON faster than plain data.
        select(EntryRow.id, cast(EntryRow.value, Text).label("text"))
        .where(EntryRow.run_id == bindparam("run"), EntryRow.kind == bindparam("kind"), is_latest())
        .order_by(EntryRow.id)
    )


def last(connection: Connection, kind: str, model: type[V], run_id: str) -> V | None:
    """A run's one value of a kind, as it was written last."""
    values = latest(connection, kind, model, run_id)
    return values[-1] if values else None


def _append(
    database: Database,
    connection: Connection,
    kind: str,
    slot: str,
    described: Sequence[tuple[Value, Subject]],
    at: datetime,
) -> bool:
    _check(kind, described)
    run_id = described[0][1].run_id
    database.lock(connection, "entries", run_id, kind, slot)
    documents = [json_text(value) for value, _ in described]
    attempt = _last_attempt(connection, run_id, kind, slot)
    if attempt and [json.loads(one) for one in documents] == _documents(connection, run_id, kind, slot, attempt):
        return False
    connection.execute(
        insert(EntryRow),
        [
            {
                **subject._asdict(),
                "kind": kind,
                "slot": slot,
                "attempt": attempt + 1,
                "position": position,
                "value": document,
                "recorded_at": at,
            }
            for position, (document, (_, subject)) in enumerate(zip(documents, described, strict=True))
        ],
    )
    return True


def _check(kind: str, described: Sequence[tuple[Value, Subject]]) -> None:
    model = MODELS.get(kind, Value)
    wrong = {type(value).__name__ for value, _ in described if not isinstance(value, model)}
    if wrong:
        raise TypeError(f"a {kind} entry holds a {model.__name__}, not a {', '.join(sorted(wrong))}")


def _last_attempt(connection: Connection, run_id: str, kind: str, slot: str) -> int:
    where = (EntryRow.run_id == run_id, EntryRow.kind == kind, EntryRow.slot == slot)
    return connection.execute(select(func.coalesce(func.max(EntryRow.attempt), 0)).where(*where)).scalar_one()


def _documents(connection: Connection, run_id: str, kind: str, slot: str, attempt: int) -> list[Any]:
    return list(
        connection.scalars(
            select(EntryRow.value)
            .where(EntryRow.run_id == run_id, EntryRow.kind == kind, EntryRow.slot == slot, EntryRow.attempt == attempt)
            .order_by(EntryRow.position)
        )
    )
