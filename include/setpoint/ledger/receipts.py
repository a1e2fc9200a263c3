"""Messages come in: each leaves a receipt, its events, and a delivery for every policy that wants one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select, update

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.ledger.database import Database
from setpoint.ledger.deliveries import Delivery, Entry, enter, insert_deliveries, insert_events, news_of, promoted
from setpoint.ledger.records import Accepted, Receipt, ReceiptFate, Received
from setpoint.ledger.rejects import MAX_BODY, receipt_identity, write_rejects
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ReceiptRow
from setpoint.ledger.wakes import note_news
from setpoint.model.event import Event

DEDUPE_WINDOW = timedelta(days=7)
"""How long an event's identity is remembered, where the deployment does not say it."""


class Receipts(Store):
    """The way in, for messages of every kind."""

    def receive(
        self,
        arrivals: Sequence[Arrival],
        now: datetime,
        *,
        window: timedelta | None = DEDUPE_WINDOW,
        listening: Collection[str] | None = None,
        again: bool = False,
    ) -> Received:
        """Take messages in, in one transaction. When this returns, they may be deleted.

        A message that has a receipt changes nothing, unless it was refused or unwanted then and is wanted now. An event
        whose identity is known is a duplicate: what is there stays as it is; but where a policy wants it that does not
        have it yet, it is delivered there. An event no policy wants is kept too, marked as unwanted.

        :param window: how long an identity is remembered; after that the same one is a new event. ``None``: for ever.
        :param listening: the policies the caller can wake; the others wait for somebody who can. ``None``: all.
        :param again: a refused or unwanted message is written down once more, whatever becomes of it now.
        """
        unique = {_identity(one): one for one in reversed(arrivals)}
        with self._database.write() as connection:
            known = _known_receipts(connection, unique)
            rewritten = {
                receipt_id
                for receipt_id, receipt in known.items()
                if receipt.fate in ("rejected", "unwanted")
                and (unique[receipt_id].wanted or (again and not _unwanted_still(receipt, unique[receipt_id])))
            }
            order = dict.fromkeys(_identity(one) for one in arrivals)
            fresh = {one: unique[one] for one in order if one not in known or one in rewritten}
            made, deliveries = self._take_in(connection, fresh, now, window, rewritten)
            write_rejects(self._database, connection, fresh, made, now, rewritten)
            news = news_of(deliveries, promoted(self._database, connection, deliveries))
            woken = note_news(self._database, connection, news, now, listening)
        told = known | made
        return Received(
            receipts=tuple(told[_identity(one)] for one in arrivals),
            known=frozenset(known) - rewritten,
            woken=woken,
        )

    def accept_events(self, routed: Sequence[tuple[Event, tuple[str, ...]]]) -> Accepted:
        """Put events in the inbox that reach a run directly, in one transaction: that run takes them next.

        They have exact identities, which are remembered for ever, and neither age nor number counts for them. Nobody is
        woken. Of an event that stands in ``routed`` twice, the second is a duplicate.

        :param routed: each event with the names of the policies that want it.
        """
        if not routed:
            return Accepted(new=(), duplicates=())
        wanted: dict[str, dict[str, Wanted]] = {}
        for event, policies in routed:
            wanted.setdefault(event.event_id, {}).update({name: Wanted(policy=name) for name in policies})
        first = {event.event_id: event for event, _ in reversed(routed)}
        arrivals = {
            receipt_identity(source, event_id): Arrival(
                message_id=event_id,
                source=source,
                body="",
                events=((first[event_id], tuple(policies.values())),),
            )
            for event_id, policies in wanted.items()
            if (source := f"{first[event_id].kind} event")
        }
        with self._database.write() as connection:
            made, deliveries = self._take_in(connection, arrivals, None, None, frozenset())
        new = {event_id for receipt in made.values() if receipt.fate == "unwanted" for event_id in receipt.event_ids}
        something_new = new | {one.entry.event.event_id for one in deliveries}
        told: dict[str, None] = {}
        duplicates = []
        for entry_id in (event.event_id for event, _ in routed):
            if entry_id in something_new and entry_id not in told:
                told[entry_id] = None
            else:
                duplicates.append(entry_id)
        return Accepted(new=tuple(told), duplicates=tuple(duplicates))

    def reject_message(
        self, message_id: str, source: str, code: str, text: str, body: str, received_at: datetime
    ) -> None:
        """Record a refused message; the same message of the same source again changes nothing.

        :param code: the reason, for programs.
        :param text: the reason, for people.
        :param body: what the message said; the first :data:`setpoint.ledger.rejects.MAX_BODY` characters are kept.
        """
        self.receive([Arrival(message_id=message_id, source=source, body=body, refused=(code, text))], received_at)

    def _take_in(
        self,
        connection: Connection,
        arrivals: Mapping[str, Arrival],
        now: datetime | None,
        window: timedelta | None,
        rewritten: Collection[str],
    ) -> tuple[dict[str, Receipt], list[Delivery]]:
        """Keep messages' events, deliveries and receipts.

        :param arrivals: the messages by the id of their receipt.
        :param now: tells an event's age; ``None`` for events that have none.
        :returns: the receipts, and the deliveries that were begun.
        """
        entries = enter(connection, arrivals, window)
        new = insert_events(self._database, connection, entries)
        deliveries = insert_deliveries(self._database, connection, entries, now)
        made = {
            receipt_id: _receipt(receipt_id, one, entries, new, deliveries, now) for receipt_id, one in arrivals.items()
        }
        _write_receipts(self._database, connection, arrivals, made, rewritten)
        return made, deliveries

    def receipts(
        self, limit: int = 50, *, fate: ReceiptFate | None = None, since: datetime | None = None
    ) -> tuple[Receipt, ...]:
        """Receipts, newest first.

        :param fate: only those.
        :param since: only those received from this moment on.
        """
        query = select(*_RECEIPT).order_by(ReceiptRow.received_at.desc(), ReceiptRow.receipt_id).limit(limit)
        if fate is not None:
            query = query.where(ReceiptRow.fate == fate)
        if since is not None:
            query = query.where(ReceiptRow.received_at >= since)
        with self._database.read() as connection:
            return tuple(_restored(row) for row in connection.execute(query).mappings())


_RECEIPT = (
    ReceiptRow.receipt_id,
    ReceiptRow.source,
    ReceiptRow.message_id,
    ReceiptRow.fate,
    ReceiptRow.event_ids,
    ReceiptRow.received_at,
)


def receipt_of(connection: Connection, receipt_id: str) -> Receipt | None:
    """A message's receipt, or ``None`` when there is none of this id."""
    query = select(*_RECEIPT).where(ReceiptRow.receipt_id == receipt_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _restored(row)


def _restored(row: RowMapping) -> Receipt:
    return restore(Receipt, dict(row), f"setpoint_receipts {row['receipt_id']}")


def _known_receipts(connection: Connection, receipt_ids: Iterable[str]) -> dict[str, Receipt]:
    rows = connection.execute(select(*_RECEIPT).where(ReceiptRow.receipt_id.in_(list(receipt_ids)))).mappings()
    return {row["receipt_id"]: _restored(row) for row in rows}


def _unwanted_still(receipt: Receipt, arrival: Arrival) -> bool:
    # Written down anew, its known event would make it a duplicate, and nobody could route it any more.
    return receipt.fate == "unwanted" and arrival.refused is None and not arrival.wanted


def _identity(arrival: Arrival) -> str:
    return receipt_identity(arrival.source, arrival.message_id)


def _receipt(
    receipt_id: str,
    arrival: Arrival,
    entries: Sequence[Entry],
    new: Collection[str],
    deliveries: Sequence[Delivery],
    now: datetime | None,
) -> Receipt:
    mine = [one for one in entries if one.receipt_id == receipt_id]
    states = {one.state for one in deliveries if one.entry.receipt_id == receipt_id}
    fate: ReceiptFate
    if arrival.refused is not None:
        fate = "control" if arrival.control else "rejected"
    elif states:
        fate = "too_old" if states == {"too_old"} else "accepted"
    else:
        fate = "unwanted" if any(_unwanted(one, entries, new) for one in mine) else "duplicate"
    return Receipt(
        receipt_id=receipt_id,
        source=arrival.source,
        message_id=arrival.message_id,
        fate=fate,
        event_ids=tuple(dict.fromkeys(one.event.event_id for one in mine)),
        received_at=now or arrival.events[0][0].received_at,
    )


def _unwanted(entry: Entry, entries: Sequence[Entry], new: Collection[str]) -> bool:
    """A new event without a policy; of two messages with it, the first brought it."""
    if entry.event.event_id not in new or entry.wanted:
        return False
    return next(one for one in entries if one.event.event_id == entry.event.event_id) is entry


def _write_receipts(
    database: Database,
    connection: Connection,
    arrivals: Mapping[str, Arrival],
    made: Mapping[str, Receipt],
    rewritten: Collection[str],
) -> None:
    rows = [
        {
            **made[receipt_id].model_dump(),
            "event_ids": list(made[receipt_id].event_ids),
            "origin": one.origin,
            # A refused one's body is in the rejects; that of a wanted one has become its events.
            "body": one.body[:MAX_BODY] if made[receipt_id].fate == "unwanted" else None,
        }
        for receipt_id, one in sorted(arrivals.items())
    ]
    if first := [row for row in rows if row["receipt_id"] not in rewritten]:
        connection.execute(database.insert(ReceiptRow).on_conflict_do_nothing(), first)
    for row in rows:
        if row["receipt_id"] in rewritten:
            connection.execute(
                update(ReceiptRow)
                .where(ReceiptRow.receipt_id == row["receipt_id"])
                .values(fate=row["fate"], event_ids=row["event_ids"], body=row["body"])
            )
