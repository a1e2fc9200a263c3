"""Events on their way: kept under the ledger's identity, delivered to the policies that want them, and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from setpoint.events.arrivals import Arrival, CountRule, Wanted
from setpoint.ledger.counting import promote
from setpoint.ledger.database import Database
from setpoint.ledger.tables import DeliveryRow, EventRow
from setpoint.ledger.wakes import News
from setpoint.model.base import digest
from setpoint.model.event import Event

_NO_LIMIT = timedelta(0)


@dataclass(frozen=True)
class Entry:
    """One event of one message, under the identity the ledger gives it."""

    receipt_id: str
    event: Event
    identity: str
    generation: int
    wanted: tuple[Wanted, ...]
    position: int


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one policy, as it begins."""

    entry: Entry
    wanted: Wanted
    state: str
    counting_until: datetime | None = None


def enter(connection: Connection, arrivals: Mapping[str, Arrival], window: timedelta | None) -> list[Entry]:
    """Give every event the ledger's identity: its own, or a new one where its own counts anew."""
    read = [(receipt_id, event, wanted) for receipt_id, one in arrivals.items() for event, wanted in one.events]
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
        entries.append(Entry(receipt_id, renamed, identity, generation, wanted, position))
    return entries


def insert_events(database: Database, connection: Connection, entries: Sequence[Entry]) -> set[str]:
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


def insert_deliveries(
    database: Database, connection: Connection, entries: Sequence[Entry], now: datetime | None
) -> list[Delivery]:
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


def _begin(entry: Entry, wanted: Wanted, now: datetime | None) -> Delivery:
    event, max_age = entry.event, wanted.max_age
    if now is not None and max_age is not None and event.occurred_at < now - max_age:
        return Delivery(entry, wanted, "too_old")
    if now is None or not wanted.rules or event.request is not None:
        return Delivery(entry, wanted, "waiting")
    # Whatever completes the number occurs inside the window, and is itself not too old when it comes.
    latest = event.occurred_at + max_age if max_age is not None else max(now, event.occurred_at)
    return Delivery(entry, wanted, "counting", latest + max(rule.within for rule in wanted.rules))


def _too_old_at(delivery: Delivery) -> datetime | None:
    max_age = delivery.wanted.max_age
    return delivery.entry.event.occurred_at + max_age if max_age is not None else None


def promoted(database: Database, connection: Connection, deliveries: Sequence[Delivery]) -> dict[str, timedelta]:
    """Count the deliveries that wake only in number.

    :returns: the policies whose number is reached, with their debounce.
    """
    counted: dict[tuple[str, CountRule], list[Delivery]] = {}
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


def news_of(deliveries: Sequence[Delivery], reached: Mapping[str, timedelta]) -> dict[str, News]:
    plain, asked = dict(reached), dict[str, timedelta]()
    for one in deliveries:
        if one.state == "waiting":
            by_kind = plain if one.entry.event.request is None else asked
            by_kind[one.wanted.policy] = one.wanted.debounce
    return {
        name: News(debounce=plain.get(name, _NO_LIMIT), plain=name in plain, asked=name in asked)
        for name in plain | asked
    }
