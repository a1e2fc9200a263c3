"""Messages that became no event: kept whole, with their reason, so that each can be read again after a fix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from setpoint.events.arrivals import Arrival
from setpoint.ledger.database import Database
from setpoint.ledger.errors import NotRecorded
from setpoint.ledger.records import Receipt, Reject, RejectState
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ReceiptRow, RejectRow
from setpoint.ledger.types import escape
from setpoint.model.base import digest

MAX_BODY = 256 * 1024
"""Characters of a message that are kept; no known event is longer."""

_REJECT = (
    RejectRow.reject_id,
    RejectRow.source,
    RejectRow.message_id,
    RejectRow.code,
    RejectRow.text,
    RejectRow.body,
    RejectRow.cut,
    RejectRow.received_at,
    RejectRow.state,
    RejectRow.resolution,
    RejectRow.resolved_at,
)


@dataclass(frozen=True)
class KeptMessage:
    """A message that can be read again.

    :param origin: where it came from as policies name it, JSON; ``None`` when that is not known.
    :param cut: it was longer than what is kept of it.
    """

    receipt_id: str
    source: str
    message_id: str
    body: str
    origin: Mapping[str, Any] | None
    received_at: datetime
    cut: bool


def receipt_identity(source: str, message_id: str) -> str:
    """The identity of a message's receipt, and of its reject."""
    return digest(escape(source), escape(message_id))


class Rejects(Store):
    """What the intake refused, and what nobody wanted."""

    def rejects(self, limit: int = 50, *, state: RejectState | None = None) -> list[Reject]:
        """The messages refused, newest first.

        :param state: only those; ``open`` are the ones nobody has dealt with.
        """
        query = select(*_REJECT).order_by(RejectRow.received_at.desc(), RejectRow.reject_id).limit(limit)
        if state is not None:
            query = query.where(RejectRow.state == state)
        with self._database.read() as connection:
            return [_restored(row) for row in connection.execute(query).mappings()]

    def reject(self, reject_id: str) -> Reject | None:
        """A refused message, or ``None`` when there is none of this id."""
        with self._database.read() as connection:
            return reject_of(connection, reject_id)

    def dismiss_reject(self, reject_id: str, why: str, now: datetime) -> Reject:
        """Put a refused message aside: a person has looked at it, and nothing is to come of it.

        :param why: in a sentence.
        :raises NotRecorded: there is none of this id.
        """
        with self._database.write() as connection:
            connection.execute(
                update(RejectRow)
                .where(RejectRow.reject_id == reject_id, RejectRow.state == "open")
                .values(state="dismissed", resolution=why, resolved_at=now)
            )
            row = connection.execute(select(*_REJECT).where(RejectRow.reject_id == reject_id)).mappings().one_or_none()
        if row is None:
            raise NotRecorded(f"there is no reject {reject_id}; setpoint event rejects lists them")
        return _restored(row)

    def kept_message(self, receipt_id: str) -> KeptMessage:
        """A message that was refused, or that nobody wanted, as it came.

        :raises NotRecorded: there is no such message, or something else became of it and its body is not kept.
        """
        query = (
            select(
                ReceiptRow.source,
                ReceiptRow.message_id,
                ReceiptRow.origin,
                ReceiptRow.body,
                ReceiptRow.received_at,
                RejectRow.body.label("rejected"),
                RejectRow.cut,
            )
            .join(RejectRow, RejectRow.reject_id == ReceiptRow.receipt_id, isouter=True)
            .where(ReceiptRow.receipt_id == receipt_id)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        body = None if row is None else row.rejected if row.rejected is not None else row.body
        if row is None or body is None:
            raise NotRecorded(
                f"there is no message {receipt_id} that was refused or unwanted; setpoint event rejects and "
                "setpoint event unwanted list those"
            )
        return KeptMessage(receipt_id, row.source, row.message_id, body, row.origin, row.received_at, bool(row.cut))


def reject_of(connection: Connection, reject_id: str) -> Reject | None:
    """A refused message, or ``None`` when there is none of this id."""
    row = connection.execute(select(*_REJECT).where(RejectRow.reject_id == reject_id)).mappings().one_or_none()
    return None if row is None else _restored(row)


def write_rejects(
    database: Database,
    connection: Connection,
    arrivals: Mapping[str, Arrival],
    made: Mapping[str, Receipt],
    now: datetime,
    rewritten: Collection[str],
) -> None:
    """Keep the messages that were refused, and what came of those that are read again.

    :param arrivals: the messages by the id of their receipt.
    :param rewritten: the ids of those that are read again.
    """
    rows = [
        {
            "reject_id": receipt_id,
            "source": one.source,
            "message_id": one.message_id,
            "code": one.refused[0],
            "text": one.refused[1],
            "body": one.body[:MAX_BODY],
            "cut": len(one.body) > MAX_BODY,
            "state": "open",
            "received_at": now,
        }
        for receipt_id, one in sorted(arrivals.items())
        if one.refused is not None and not one.control and receipt_id not in rewritten
    ]
    if rows:
        connection.execute(database.insert(RejectRow).on_conflict_do_nothing(), rows)
    for receipt_id in sorted(rewritten):
        one, receipt = arrivals[receipt_id], made[receipt_id]
        values: dict[str, Any]
        if one.refused is not None and not one.control:
            values = {"code": one.refused[0], "text": one.refused[1], "state": "open"}
        else:
            told = f"read again: {receipt.fate.replace('_', ' ')}, {', '.join(receipt.event_ids)}"
            values = {"state": "replayed", "resolution": told, "resolved_at": now}
        connection.execute(update(RejectRow).where(RejectRow.reject_id == receipt_id).values(**values))


def _restored(row: Any) -> Reject:
    return restore(Reject, dict(row), f"setpoint_rejects {row['reject_id']}")
