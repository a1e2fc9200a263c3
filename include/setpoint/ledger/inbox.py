"""The durable inbox: an event is here before its message is deleted, and here once, however often it is delivered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from setpoint.ledger.errors import Conflict
from setpoint.ledger.records import Accepted, Delivered, Fate, Released
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import DeliveryRow, EventRow
from setpoint.model.event import Event

MAX_TAKES = 5
"""Runs that may take an event and fail before they decide; then the event is given up."""


class Inbox(Store):
    """Events on their way to the policies that want them."""

    def accept_events(self, routed: Sequence[tuple[Event, tuple[str, ...]]]) -> Accepted:
        """Put events in the inbox, in one transaction.

        An event with a known ``event_id`` is a duplicate: what is there stays as it is. A duplicate that is wanted by
        a policy which does not have it yet (the same event through a second queue) is delivered to that policy and
        counts as new. An event no policy wants is kept too, marked as unwanted. Of an event that stands in ``routed``
        twice, the second is a duplicate.

        :param routed: each event with the names of the policies that want it.
        """
        if not routed:
            return Accepted(new=(), duplicates=())
        with self._database.write() as connection:
            fresh = self._insert_events(connection, routed)
            delivered = self._insert_deliveries(connection, routed)
            # An event nobody wanted when it came first, and somebody wants now.
            connection.execute(
                update(EventRow).where(EventRow.event_id.in_(sorted(delivered - fresh))).values(unwanted=False)
            )
        something_new = fresh | delivered
        new: dict[str, None] = {}
        duplicates: list[str] = []
        for event, _ in routed:
            if event.event_id in something_new and event.event_id not in new:
                new[event.event_id] = None
            else:
                duplicates.append(event.event_id)
        return Accepted(new=tuple(new), duplicates=tuple(duplicates))

    def pending_policies(self, older_than: datetime | None = None) -> tuple[str, ...]:
        """Policies that have events waiting, by name.

        :param older_than: only events received before this moment count.
        """
        query = select(DeliveryRow.policy).where(DeliveryRow.state == "waiting").distinct().order_by(DeliveryRow.policy)
        if older_than is not None:
            query = query.where(DeliveryRow.received_at < older_than)
        with self._database.read() as connection:
            return tuple(connection.scalars(query))

    def take_events(
        self, policy: str, run_id: str, now: datetime, limit: int = 1000, *, own: str | None = None
    ) -> tuple[Event, ...]:
        """Hand a policy's waiting events to a run, oldest first.

        An event with a request is a run of its own, for its targets and its dry run are nobody else's: when the oldest
        event has one, it is all the run gets; otherwise the run gets the events without one. The rest waits for the
        next run.

        A run that asks again (its task is retried, or the run is cleared) gets the same events, and no other.

        :param limit: events at most; the rest waits for the next run.
        :param own: the id of the run's own event. While that waits it comes before all others, and alone.
        :raises Conflict: the run has taken events of another policy; run ids are unique across policies.
        """
        with self._database.write() as connection:
            self._database.lock(connection, "take", run_id)
            mine = taken_by(connection, run_id)
            if other := {one.policy for one in mine} - {policy}:
                raise Conflict(
                    f"run {run_id} has taken events of policy {', '.join(sorted(other))} and now asks for those of "
                    f"{policy}; a run id must be unique across policies (an Airflow run id alone is not)"
                )
            if mine:
                return tuple(one.event for one in mine)
            # Runs of one policy choose one after the other, or one of them could find every event under the other's
            # lock, take nothing, and leave what the other did not want.
            self._database.lock(connection, "take of policy", policy)
            chosen = _chosen(connection, policy, limit, own)
            connection.execute(
                update(DeliveryRow)
                .where(DeliveryRow.policy == policy, DeliveryRow.event_id.in_([one.event_id for one in chosen]))
                .values(state="taken", run_id=run_id, taken_at=now, attempts=DeliveryRow.attempts + 1)
            )
        return chosen

    def close_events(self, run_id: str, fate: Fate, now: datetime) -> int:
        """Say what became of a run's events. A run that is repeated closes them again, with its newer word.

        :returns: how many events the run had.
        """
        with self._database.write() as connection:
            return connection.execute(
                update(DeliveryRow).where(DeliveryRow.run_id == run_id).values(state=fate, closed_at=now)
            ).rowcount

    def release_events(self, run_id: str) -> Released:
        """Give a run's events back, because it failed before it decided. Closed events stay closed.

        An event that was taken :data:`MAX_TAKES` times is closed as ``failed`` instead: something about it breaks runs.
        """
        with self._database.write() as connection:
            rows = connection.execute(
                select(DeliveryRow.event_id, DeliveryRow.attempts)
                .where(DeliveryRow.run_id == run_id, DeliveryRow.state == "taken")
                .order_by(DeliveryRow.received_at, DeliveryRow.event_id)
                .with_for_update()
            ).all()
            waiting = tuple(row.event_id for row in rows if row.attempts < MAX_TAKES)
            given_up = tuple(row.event_id for row in rows if row.attempts >= MAX_TAKES)
            of_run = (DeliveryRow.run_id == run_id, DeliveryRow.state == "taken")
            connection.execute(
                update(DeliveryRow)
                .where(*of_run, DeliveryRow.attempts < MAX_TAKES)
                .values(state="waiting", run_id=None, taken_at=None)
            )
            connection.execute(update(DeliveryRow).where(*of_run).values(state="failed", closed_at=self._clock()))
        return Released(waiting=waiting, given_up=given_up)

    def stranded_runs(self, before: datetime) -> tuple[str, ...]:
        """Runs that took events before a moment and neither closed them nor gave them back.

        A run can die with its machine; whoever finds it here decides whether it is gone, and then releases its events.
        """
        query = (
            select(DeliveryRow.run_id)
            .where(DeliveryRow.state == "taken", DeliveryRow.taken_at < before, DeliveryRow.run_id.is_not(None))
            .distinct()
            .order_by(DeliveryRow.run_id)
        )
        with self._database.read() as connection:
            return tuple(run_id for run_id in connection.scalars(query) if run_id is not None)

    def events_of(self, run_id: str) -> tuple[Delivered, ...]:
        """The events a run took, and what became of them; oldest first."""
        with self._database.read() as connection:
            return taken_by(connection, run_id)

    def unwanted_events(self, limit: int = 50) -> tuple[Event, ...]:
        """Events no policy wanted, newest first."""
        query = (
            select(EventRow.event_id, EventRow.value)
            .where(EventRow.unwanted)
            .order_by(EventRow.received_at.desc(), EventRow.event_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(restore(Event, row.value, f"setpoint_events {row.event_id}") for row in rows)

    def _insert_events(self, connection: Connection, routed: Sequence[tuple[Event, tuple[str, ...]]]) -> set[str]:
        # In one order everywhere, or two transactions with the same events could wait for each other for ever.
        first = {event.event_id: event for event, _ in reversed(routed)}
        wanted = {event.event_id for event, policies in routed if policies}
        rows = [
            {
                "event_id": event_id,
                "kind": event.kind,
                "unwanted": event_id not in wanted,
                "received_at": event.received_at,
                "value": event,
            }
            for event_id, event in sorted(first.items())
        ]
        statement = self._database.insert(EventRow).on_conflict_do_nothing().returning(EventRow.event_id)
        return set(connection.scalars(statement, rows))

    def _insert_deliveries(self, connection: Connection, routed: Sequence[tuple[Event, tuple[str, ...]]]) -> set[str]:
        wanted = {
            (event.event_id, policy): event.received_at for event, policies in reversed(routed) for policy in policies
        }
        if not wanted:
            return set()
        rows = [
            {
                "event_id": event_id,
                "policy": policy,
                "state": "waiting",
                "attempts": 0,
                "received_at": received_at,
            }
            for (event_id, policy), received_at in sorted(wanted.items())
        ]
        statement = self._database.insert(DeliveryRow).on_conflict_do_nothing().returning(DeliveryRow.event_id)
        return set(connection.scalars(statement, rows))


def _chosen(connection: Connection, policy: str, limit: int, own: str | None) -> tuple[Event, ...]:
    """What a run of the policy is to take: one event with a request, or events without one."""
    query = (
        select(DeliveryRow.event_id, EventRow.value)
        .join(EventRow, EventRow.event_id == DeliveryRow.event_id)
        .where(DeliveryRow.policy == policy, DeliveryRow.state == "waiting")
        .order_by(DeliveryRow.received_at, DeliveryRow.event_id)
        .limit(limit)
    )
    rows = connection.execute(query.where(DeliveryRow.event_id == own)).all() if own is not None else []
    rows = rows or connection.execute(query).all()
    # Told apart here and not in the query: PostgreSQL cannot look into JSON that holds NUL or half a surrogate pair.
    waiting = tuple(restore(Event, row.value, f"setpoint_events {row.event_id}") for row in rows)
    if waiting and waiting[0].request is not None:
        return waiting[:1]
    return tuple(event for event in waiting if event.request is None)


def taken_by(connection: Connection, run_id: str) -> tuple[Delivered, ...]:
    """The events a run took, and what became of them; oldest first."""
    rows = connection.execute(
        select(
            DeliveryRow.event_id,
            DeliveryRow.policy,
            DeliveryRow.state,
            DeliveryRow.attempts,
            DeliveryRow.taken_at,
            DeliveryRow.closed_at,
            EventRow.value,
        )
        .join(EventRow, EventRow.event_id == DeliveryRow.event_id)
        .where(DeliveryRow.run_id == run_id)
        .order_by(DeliveryRow.received_at, DeliveryRow.event_id)
    )
    return tuple(
        restore(
            Delivered,
            {
                "event": row.value,
                "policy": row.policy,
                "state": row.state,
                "attempts": row.attempts,
                "taken_at": row.taken_at,
                "closed_at": row.closed_at,
            },
            f"setpoint_events {row.event_id}",
        )
        for row in rows
    )
