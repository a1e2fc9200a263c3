"""Messages come in: each leaves a receipt, its events, and a delivery for every policy that wants one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from setpoint.ledger.arrivals import Arrival, CountRule, Wanted
from setpoint.ledger.counting import promote
from setpoint.ledger.database import Database
from setpoint.ledger.records import Accepted, Receipt, ReceiptFate, Received
from setpoint.ledger.rejects import MAX_BODY, write_rejects
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import DeliveryRow, EventRow, ReceiptRow
from setpoint.ledger.wakes import News, note_news
from setpoint.model.base import digest
from setpoint.model.event import Event

DEDUPE_WINDOW = timedelta(days=7)
"""How long an event's identity is remembered, where the deployment does not say it."""

_NO_LIMIT = timedelta(0)


@dataclass(frozen=True)
class _Entry:
    """One event of one message, under the identity the ledger gives it."""

    receipt_id: str
    event: Event
    identity: str
    generation: int
    wanted: tuple[Wanted, ...]
    position: int


@dataclass(frozen=True)
class _Delivery:
    """One event on its way to one policy, as it begins."""

    entry: _Entry
    wanted: Wanted
    state: str
    counting_until: datetime | None = None


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

        A message that has a receipt changes nothing. An event whose identity is known is a duplicate: what is there
        stays as it is; but where a policy wants it that does not have it yet, it is delivered there. An event no policy
        wants is kept too, marked as unwanted.

        :param window: how long an identity is remembered; after that the same one is a new event. ``None``: for ever.
        :param listening: the policies the caller can wake; the others wait for somebody who can. ``None``: all.
        :param again: read messages once more that were refused, or that nobody wanted; their receipts are rewritten.
        """
        unique = {one.receipt_id: one for one in reversed(arrivals)}
        ordered = [unique[one] for one in dict.fromkeys(one.receipt_id for one in arrivals)]
        with self._database.write() as connection:
            known = {} if again else _known_receipts(connection, unique)
            fresh = [one for one in ordered if one.receipt_id not in known]
            entries = _entries(connection, fresh, window)
            new = _insert_events(self._database, connection, entries)
            deliveries = _insert_deliveries(self._database, connection, entries, now)
            made = {one.receipt_id: _receipt(one, entries, new, deliveries, now) for one in fresh}
            _write_receipts(self._database, connection, fresh, made, again=again)
            write_rejects(self._database, connection, fresh, made, now, again=again)
            news = _news(deliveries, _promoted(self._database, connection, deliveries))
            woken = note_news(self._database, connection, news, now, listening)
        told = known | made
        return Received(receipts=tuple(told[one.receipt_id] for one in arrivals), known=frozenset(known), woken=woken)

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
        arrivals = [
            Arrival(
                message_id=event_id,
                source=f"{first[event_id].kind} event",
                body="",
                events=((first[event_id], tuple(policies.values())),),
            )
            for event_id, policies in wanted.items()
        ]
        with self._database.write() as connection:
            entries = _entries(connection, arrivals, None)
            new = _insert_events(self._database, connection, entries)
            deliveries = _insert_deliveries(self._database, connection, entries, None)
            made = {
                one.receipt_id: _receipt(one, entries, new, deliveries, one.events[0][0].received_at)
                for one in arrivals
            }
            _write_receipts(self._database, connection, arrivals, made, again=False)
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


def _restored(row: RowMapping) -> Receipt:
    return restore(Receipt, dict(row), f"setpoint_receipts {row['receipt_id']}")


def _known_receipts(connection: Connection, receipt_ids: Iterable[str]) -> dict[str, Receipt]:
    rows = connection.execute(select(*_RECEIPT).where(ReceiptRow.receipt_id.in_(list(receipt_ids)))).mappings()
    return {row["receipt_id"]: _restored(row) for row in rows}


def _entries(connection: Connection, arrivals: Sequence[Arrival], window: timedelta | None) -> list[_Entry]:
    """Give every event the ledger's identity: its own, or a new one where its own counts anew."""
    read = [(one.receipt_id, event, wanted) for one in arrivals for event, wanted in one.events]
    newest: dict[str, Any] = {}
    if read:
        query = (
            select(EventRow.identity, EventRow.generation, EventRow.event_id, EventRow.received_at)
            .where(EventRow.identity.in_(sorted({event.event_id for _, event, _ in read})))
            .order_by(EventRow.generation)
        )
        newest = {row.identity: row for row in connection.execute(query)}
    entries = []
    for position, (receipt_id, event, wanted) in enumerate(read):
        identity, event_id, generation = event.event_id, event.event_id, 1
        if row := newest.get(identity):
            event_id, generation = row.event_id, row.generation
            if window is not None and row.received_at <= event.received_at - window:
                generation += 1
                # Nothing a sender can give an event as its own identity by accident.
                event_id = f"{identity}~{generation}-{digest(identity, generation)[:8]}"
        renamed = event if event_id == identity else event.model_copy(update={"event_id": event_id})
        entries.append(_Entry(receipt_id, renamed, identity, generation, wanted, position))
    return entries


def _insert_events(database: Database, connection: Connection, entries: Sequence[_Entry]) -> set[str]:
    """Keep the events.

    :returns: the ids of those that were not known.
    """
    if not entries:
        return set()
    first = {entry.event.event_id: entry for entry in reversed(entries)}
    wanted = {entry.event.event_id for entry in entries if entry.wanted}
    # In one order everywhere, or two transactions with the same events could wait for each other for ever.
    rows = [
        {
            "event_id": event_id,
            "identity": entry.identity,
            "generation": entry.generation,
            "kind": entry.event.kind,
            "unwanted": event_id not in wanted,
            "received_at": entry.event.received_at,
            "value": entry.event,
        }
        for event_id, entry in sorted(first.items())
    ]
    statement = database.insert(EventRow).on_conflict_do_nothing().returning(EventRow.event_id)
    new = set(connection.scalars(statement, rows))
    if late := sorted(wanted - new):
        # Events nobody wanted when they came first, and somebody wants now.
        connection.execute(
            update(EventRow).where(EventRow.event_id.in_(late), EventRow.unwanted).values(unwanted=False)
        )
    return new


def _insert_deliveries(
    database: Database, connection: Connection, entries: Sequence[_Entry], now: datetime | None
) -> list[_Delivery]:
    """Send the events on their way to the policies that want them and do not have them yet.

    :param now: tells an event's age; ``None`` for events that have none.
    :returns: the deliveries that were made.
    """
    begun = {
        (entry.event.event_id, wanted.policy): _begin(entry, wanted, now)
        for entry in reversed(entries)
        for wanted in entry.wanted
    }
    if not begun:
        return []
    rows = [
        {
            "event_id": event_id,
            "policy": policy,
            "state": one.state,
            "receipt_id": one.entry.receipt_id,
            "asked": one.entry.event.request is not None,
            "joined": False,
            "attempts": 0,
            "position": one.entry.position,
            "received_at": one.entry.event.received_at,
            "too_old_at": _too_old_at(one),
            "counting_until": one.counting_until,
            "closed_at": now if one.state == "too_old" else None,
        }
        for (event_id, policy), one in sorted(begun.items())
    ]
    statement = (
        database.insert(DeliveryRow).on_conflict_do_nothing().returning(DeliveryRow.event_id, DeliveryRow.policy)
    )
    return [begun[row.event_id, row.policy] for row in connection.execute(statement, rows)]


def _begin(entry: _Entry, wanted: Wanted, now: datetime | None) -> _Delivery:
    event, max_age = entry.event, wanted.max_age
    if now is not None and max_age is not None and event.occurred_at < now - max_age:
        return _Delivery(entry, wanted, "too_old")
    if now is None or not wanted.rules or event.request is not None:
        return _Delivery(entry, wanted, "waiting")
    # Whatever completes the number occurs inside the window, and is itself not too old when it comes.
    latest = event.occurred_at + max_age if max_age is not None else max(now, event.occurred_at)
    return _Delivery(entry, wanted, "counting", latest + max(rule.within for rule in wanted.rules))


def _too_old_at(delivery: _Delivery) -> datetime | None:
    max_age = delivery.wanted.max_age
    return delivery.entry.event.occurred_at + max_age if max_age is not None else None


def _promoted(database: Database, connection: Connection, deliveries: Sequence[_Delivery]) -> dict[str, timedelta]:
    """Count the deliveries that wake only in number.

    :returns: the policies whose number is reached, with their debounce.
    """
    counted: dict[tuple[str, CountRule], list[_Delivery]] = {}
    for one in deliveries:
        for rule in one.wanted.rules if one.state == "counting" else ():
            counted.setdefault((one.wanted.policy, rule), []).append(one)
    reached = {}
    for (policy, rule), those in sorted(counted.items(), key=lambda item: (item[0][0], item[0][1].rule)):
        moments = [
            (one.entry.event.event_id, one.entry.event.occurred_at, one.counting_until)
            for one in those
            if one.counting_until is not None
        ]
        if promote(database, connection, policy, rule, moments):
            reached[policy] = those[0].wanted.debounce
    return reached


def _news(deliveries: Sequence[_Delivery], promoted: Mapping[str, timedelta]) -> dict[str, News]:
    plain, asked = dict(promoted), dict[str, timedelta]()
    for one in deliveries:
        if one.state == "waiting":
            by_kind = plain if one.entry.event.request is None else asked
            by_kind[one.wanted.policy] = one.wanted.debounce
    return {
        name: News(debounce=plain.get(name, _NO_LIMIT), plain=name in plain, asked=name in asked)
        for name in plain | asked
    }


def _receipt(
    arrival: Arrival, entries: Sequence[_Entry], new: Collection[str], deliveries: Sequence[_Delivery], at: datetime
) -> Receipt:
    mine = [one for one in entries if one.receipt_id == arrival.receipt_id]
    states = {one.state for one in deliveries if one.entry.receipt_id == arrival.receipt_id}
    fate: ReceiptFate
    if arrival.refused is not None:
        fate = "rejected"
    elif states:
        fate = "too_old" if states == {"too_old"} else "accepted"
    else:
        fate = "unwanted" if any(_unwanted(one, entries, new) for one in mine) else "duplicate"
    return Receipt(
        receipt_id=arrival.receipt_id,
        source=arrival.source,
        message_id=arrival.message_id,
        fate=fate,
        event_ids=tuple(dict.fromkeys(one.event.event_id for one in mine)),
        received_at=at,
    )


def _unwanted(entry: _Entry, entries: Sequence[_Entry], new: Collection[str]) -> bool:
    """A new event without a policy; of two messages with it, the first brought it."""
    if entry.event.event_id not in new or entry.wanted:
        return False
    return next(one for one in entries if one.event.event_id == entry.event.event_id) is entry


def _write_receipts(
    database: Database, connection: Connection, arrivals: Sequence[Arrival], made: Mapping[str, Receipt], *, again: bool
) -> None:
    rows = [
        {
            **made[one.receipt_id].model_dump(),
            "event_ids": list(made[one.receipt_id].event_ids),
            "origin": one.origin,
            # A refused one's body is in the rejects; that of a wanted one has become its events.
            "body": one.body[:MAX_BODY] if made[one.receipt_id].fate == "unwanted" else None,
        }
        for one in sorted(arrivals, key=lambda one: one.receipt_id)
    ]
    if not rows:
        return
    if not again:
        connection.execute(database.insert(ReceiptRow).on_conflict_do_nothing(), rows)
        return
    for row in rows:
        connection.execute(
            update(ReceiptRow)
            .where(ReceiptRow.receipt_id == row["receipt_id"])
            .values(fate=row["fate"], event_ids=row["event_ids"], body=row["body"])
        )
