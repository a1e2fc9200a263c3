"""One message, or one event, and everything the ledger knows of it."""

from __future__ import annotations

import re

from sqlalchemy import Connection, or_, select

from setpoint.ledger.errors import AmbiguousReference
from setpoint.ledger.receipts import receipt_of
from setpoint.ledger.records import DeliveryState, Receipt, Reject
from setpoint.ledger.rejects import reject_of
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import DeliveryRow, EventRow, ReceiptRow
from setpoint.model.base import Name, UtcDatetime, Value
from setpoint.model.event import Event

_RECEIPT_ID = re.compile("[0-9a-f]{6,32}")
"""A receipt's id, or so much of its beginning that may stand for it."""
_MOST_EVENTS = 200


class Journey(Value):
    """How far an event came on its way to one policy."""

    policy: Name
    state: DeliveryState
    run_id: str | None
    joined: bool
    """It joined the evaluation that another event's run made."""
    attempts: int
    closed_at: UtcDatetime | None


class TravelledEvent(Value):
    """An event, and its ways to the policies that want it; none when nobody does."""

    event: Event
    journeys: tuple[Journey, ...]


class MessageStory(Value):
    """What became of a message, or of one event."""

    receipt: Receipt | None
    """``None`` of an event that reached a run before receipts were kept."""
    reject: Reject | None
    """When it was refused: why, its body, and what came of it since."""
    events: tuple[TravelledEvent, ...]


class Messages(Store):
    """Looking up what came in."""

    def message_story(self, reference: str) -> MessageStory | None:
        """A message by its receipt's id (or its unique beginning, six characters or more), an event by its own id, or a
        message by the id that its sender, or its queue, gave it.

        An identity that counted more than once, because a dedupe window had passed, gives its latest event.

        :returns: ``None`` when the ledger has neither.
        :raises AmbiguousReference: several receipts begin so, or have that id of their senders.
        """
        with self._database.read() as connection:
            receipt = _receipt(connection, reference)
            event_ids = list(receipt.event_ids[:_MOST_EVENTS]) if receipt else _events_called(connection, reference)
            if receipt is None and not event_ids:
                receipt = _receipt_called(connection, reference)
                if receipt is None:
                    return None
                event_ids = list(receipt.event_ids[:_MOST_EVENTS])
            events = tuple(_travelled(connection, event_id) for event_id in event_ids)
            if receipt is None:
                receipt = _receipt_that_brought(connection, event_ids)
            return MessageStory(
                receipt=receipt,
                reject=reject_of(connection, receipt.receipt_id) if receipt else None,
                events=tuple(one for one in events if one is not None),
            )


def _receipt(connection: Connection, reference: str) -> Receipt | None:
    if not _RECEIPT_ID.fullmatch(reference):
        return None
    found = connection.scalars(
        select(ReceiptRow.receipt_id).where(ReceiptRow.receipt_id.startswith(reference, autoescape=True)).limit(6)
    ).all()
    if len(found) > 1:
        raise AmbiguousReference(
            f"{reference!r} is the beginning of {', '.join(found[:5])}; give more of the one meant"
        )
    return receipt_of(connection, found[0]) if found else None


def _receipt_called(connection: Connection, message_id: str) -> Receipt | None:
    found = connection.scalars(
        select(ReceiptRow.receipt_id)
        .where(ReceiptRow.message_id == message_id)
        .order_by(ReceiptRow.received_at)
        .limit(6)
    ).all()
    if len(found) > 1:
        raise AmbiguousReference(
            f"several senders gave a message the id {message_id!r}: {', '.join(found[:5])}; name one of these"
        )
    return receipt_of(connection, found[0]) if found else None


def _events_called(connection: Connection, reference: str) -> list[str]:
    newest = (
        select(EventRow.event_id)
        .where(or_(EventRow.event_id == reference, EventRow.identity == reference))
        .order_by((EventRow.event_id == reference).desc(), EventRow.generation.desc())
        .limit(1)
    )
    return list(connection.scalars(newest))


def _receipt_that_brought(connection: Connection, event_ids: list[str]) -> Receipt | None:
    receipt_id = connection.scalar(
        select(DeliveryRow.receipt_id)
        .where(DeliveryRow.event_id.in_(event_ids), DeliveryRow.receipt_id.is_not(None))
        .order_by(DeliveryRow.received_at)
        .limit(1)
    )
    return receipt_of(connection, receipt_id) if receipt_id else None


def _travelled(connection: Connection, event_id: str) -> TravelledEvent | None:
    value = connection.scalar(select(EventRow.value).where(EventRow.event_id == event_id))
    if value is None:
        return None
    rows = connection.execute(
        select(
            DeliveryRow.policy,
            DeliveryRow.state,
            DeliveryRow.run_id,
            DeliveryRow.joined,
            DeliveryRow.attempts,
            DeliveryRow.closed_at,
        )
        .where(DeliveryRow.event_id == event_id)
        .order_by(DeliveryRow.policy)
    ).mappings()
    where = f"setpoint_events {event_id}"
    return TravelledEvent(
        event=restore(Event, value, where), journeys=tuple(restore(Journey, dict(row), where) for row in rows)
    )
