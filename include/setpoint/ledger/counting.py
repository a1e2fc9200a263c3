"""Events that wake a policy only in number: at least so many inside a window, by when they occurred.

An event counts as reached when there is some window of the rule's length that holds it and the number of events asked
for, itself included. That does not depend on the order in which they come. Those that reached it wait for a run like
any other; the rest stay ``counting`` until no other event can complete the number, and then are ``below_count``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from setpoint.events.arrivals import CountRule
from setpoint.ledger.database import Database
from setpoint.ledger.tables import CountRow, DeliveryRow


def reached(moments: Sequence[datetime], count: int, within: timedelta) -> list[bool]:
    """Which of some moments lie in a window that holds the number of them asked for.

    :param moments: in ascending order.
    :param count: the number, from 1.
    :param within: the window's length; both ends belong to it.
    """
    told = [False] * len(moments)
    marked = 0
    for first in range(len(moments) - count + 1):
        last = first + count
        if moments[last - 1] - moments[first] <= within:
            start = max(first, marked)
            told[start:last] = [True] * (last - start)
            marked = last
    return told


def promote(
    database: Database,
    connection: Connection,
    policy: str,
    rule: CountRule,
    counted: Sequence[tuple[str, datetime, datetime]],
) -> list[str]:
    """Count events in, and let those wait for a run that have reached the number now.

    :param counted: each event's id, when it occurred, and until when it counts.
    :returns: the ids of the events that were counting and wait from now on.
    """
    rows = [
        {"policy": policy, "rule": rule.rule, "event_id": event_id, "occurred_at": at, "until": until}
        for event_id, at, until in counted
    ]
    moments = sorted(at for _, at, _ in counted)
    # Another transaction's events cannot be seen before it commits: count one after the other, or both come short.
    database.lock(connection, "count", policy, rule.rule)
    connection.execute(
        database.insert(CountRow).on_conflict_do_nothing(), sorted(rows, key=lambda row: str(row["event_id"]))
    )
    near = connection.execute(
        select(CountRow.event_id, CountRow.occurred_at)
        .where(
            CountRow.policy == policy,
            CountRow.rule == rule.rule,
            CountRow.occurred_at.between(moments[0] - rule.within, moments[-1] + rule.within),
        )
        .order_by(CountRow.occurred_at, CountRow.event_id)
    ).all()
    enough = reached([row.occurred_at for row in near], rule.count, rule.within)
    ids = [row.event_id for row, told in zip(near, enough, strict=True) if told]
    if not ids:
        return []
    return list(
        connection.scalars(
            update(DeliveryRow)
            .where(DeliveryRow.policy == policy, DeliveryRow.state == "counting", DeliveryRow.event_id.in_(ids))
            .values(state="waiting", counting_until=None)
            .returning(DeliveryRow.event_id)
        )
    )


def expire(connection: Connection, now: datetime) -> int:
    """Close the events whose number cannot be reached any more.

    :returns: how many.
    """
    closed = connection.execute(
        update(DeliveryRow)
        .where(DeliveryRow.state == "counting", DeliveryRow.counting_until <= now)
        .values(state="below_count", closed_at=now)
    ).rowcount
    connection.execute(delete(CountRow).where(CountRow.until <= now))
    return closed
