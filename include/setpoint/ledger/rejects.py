"""Messages that became no event: kept with their reason, so that none is dropped in silence."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from setpoint.ledger.records import Reject
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import RejectRow
from setpoint.ledger.types import escape
from setpoint.model.base import digest

MAX_BODY = 8192
"""Characters of a rejected message that are kept."""


class Rejects(Store):
    """What the intake refused."""

    def reject_message(
        self, message_id: str, source: str, code: str, text: str, body: str, received_at: datetime
    ) -> None:
        """Record a refused message; the same message of the same source again changes nothing.

        :param code: the reason, for programs.
        :param text: the reason, for people.
        :param body: what the message said; the first :data:`MAX_BODY` characters are kept.
        """
        row = {
            "reject_id": digest(escape(source), escape(message_id)),
            "source": source,
            "message_id": message_id,
            "code": code,
            "text": text,
            "body": body[:MAX_BODY],
            "received_at": received_at,
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert(RejectRow).on_conflict_do_nothing(), [row])

    def rejects(self, limit: int = 50) -> list[Reject]:
        """The messages refused, newest first."""
        columns = (
            RejectRow.source,
            RejectRow.message_id,
            RejectRow.code,
            RejectRow.text,
            RejectRow.body,
            RejectRow.received_at,
        )
        query = select(*columns).order_by(RejectRow.received_at.desc(), RejectRow.reject_id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [restore(Reject, dict(row), f"setpoint_rejects {row['message_id']}") for row in rows]
