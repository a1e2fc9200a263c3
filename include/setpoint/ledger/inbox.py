"""The durable inbox: from a waiting event to the run that takes it, and what became of it there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, or_, select, tuple_, update

from setpoint.ledger.claims import has_decided
from setpoint.ledger.counting import expire
from setpoint.ledger.errors import Conflict
from setpoint.ledger.records import Delivered, Fate, Released
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import DeliveryRow, EventRow, RunRow
from setpoint.ledger.wakes import note_left, note_pull, note_release
from setpoint.model.event import Event

MAX_TAKES = 5
"""Runs that may take an event and fail before they decide; then the event is given up."""


class Inbox(Store):
    """Events on their way to the policies that want them."""

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

        A run that asks again (its task is retried, or the run is cleared) gets the same events, and no other. The first
        event is the one the run is for; the others join its evaluation. What is left waiting is woken for again.

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
            _close_too_old(connection, now, policy)
            chosen = _chosen(connection, policy, limit, own, now)
            ids = [one.event_id for one in chosen]
            given = _give(connection, policy, run_id, now, ids[:1], joined=False)
            given |= _give(connection, policy, run_id, now, ids[1:], joined=True)
            asked = any(one.request is not None for one in chosen)
            note_left(self._database, connection, policy, now, by_request=asked)
        return tuple(one for one in chosen if one.event_id in given)

    def join_events(self, run_id: str, policy: str, now: datetime, limit: int = 1000) -> tuple[str, ...]:
        """Right before a run pulls metrics: let the events that came since it started join it.

        From here on new events of the policy need another run, which is woken at the debounce's end. A run for a
        request stays what it is, and joins nothing.

        :returns: the ids of the events that joined.
        """
        with self._database.write() as connection:
            kinds = set(connection.scalars(select(DeliveryRow.asked).where(DeliveryRow.run_id == run_id).distinct()))
            if kinds != {False}:
                return ()
            # As runs that take do; and only then the wake-up's row, which who brings events locks last.
            self._database.lock(connection, "take of policy", policy)
            note_pull(self._database, connection, policy, now)
            waiting = _waiting(select(DeliveryRow.event_id), policy, now).where(~DeliveryRow.asked).limit(limit)
            found = connection.scalars(waiting).all()
            given = _give(connection, policy, run_id, now, found, joined=True)
            late = [one for one in found if one in given]
            if not late:
                return ()
            ids = connection.scalars(select(RunRow.event_ids).where(RunRow.run_id == run_id)).one_or_none()
            if ids is not None:
                connection.execute(update(RunRow).where(RunRow.run_id == run_id).values(event_ids=[*ids, *late]))
            note_left(self._database, connection, policy, now, by_request=False)
        return tuple(late)

    def close_aged(self, now: datetime) -> int:
        """Close the events that waited until they were too old, and those whose number cannot be reached any more.

        :returns: how many.
        """
        query = select(DeliveryRow.event_id).where(
            ((DeliveryRow.state == "waiting") & (DeliveryRow.too_old_at <= now))
            | ((DeliveryRow.state == "counting") & (DeliveryRow.counting_until <= now))
        )
        with self._database.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            return expire(connection, now) + _close_too_old(connection, now)

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

        A run that has decided keeps its events; one whose events are given back may not decide any more
        (:mod:`setpoint.ledger.claims`).

        An event that was taken :data:`MAX_TAKES` times is closed as ``failed`` instead: something about it breaks runs.
        """
        now = self._clock()
        with self._database.write() as connection:
            rows = connection.execute(
                select(DeliveryRow.event_id, DeliveryRow.policy, DeliveryRow.attempts)
                .where(DeliveryRow.run_id == run_id, DeliveryRow.state == "taken")
                .order_by(DeliveryRow.received_at, DeliveryRow.event_id)
                .with_for_update()
            ).all()
            if has_decided(connection, run_id):
                return Released(waiting=(), given_up=())
            waiting = tuple(row.event_id for row in rows if row.attempts < MAX_TAKES)
            given_up = tuple(row.event_id for row in rows if row.attempts >= MAX_TAKES)
            policies = {row.policy: row.attempts for row in rows if row.attempts < MAX_TAKES}
            of_run = (DeliveryRow.run_id == run_id, DeliveryRow.state == "taken")
            connection.execute(
                update(DeliveryRow)
                .where(*of_run, DeliveryRow.attempts < MAX_TAKES)
                .values(state="waiting", run_id=None, taken_at=None, joined=False)
            )
            connection.execute(update(DeliveryRow).where(*of_run).values(state="failed", closed_at=now))
            for policy, attempts in policies.items():
                note_release(self._database, connection, policy, now, attempts)
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


def _waiting(query: Select[Any], policy: str, now: datetime) -> Select[Any]:
    """A policy's waiting deliveries that are not too old, in the order in which they came."""
    young = or_(DeliveryRow.too_old_at.is_(None), DeliveryRow.too_old_at > now)
    return query.where(DeliveryRow.policy == policy, DeliveryRow.state == "waiting", young).order_by(
        DeliveryRow.received_at, DeliveryRow.position, DeliveryRow.event_id
    )


def _chosen(connection: Connection, policy: str, limit: int, own: str | None, now: datetime) -> tuple[Event, ...]:
    """What a run of the policy is to take: one event with a request, or events without one."""
    columns = select(DeliveryRow.event_id, DeliveryRow.asked, EventRow.value)
    query = _waiting(columns.join(EventRow, EventRow.event_id == DeliveryRow.event_id), policy, now)
    first = connection.execute(query.where(DeliveryRow.event_id == own)).first() if own is not None else None
    first = first or connection.execute(query.limit(1)).first()
    if first is None:
        return ()
    rows = [first] if first.asked else connection.execute(query.where(~DeliveryRow.asked).limit(limit)).all()
    return tuple(restore(Event, row.value, f"setpoint_events {row.event_id}") for row in rows)


def _give(
    connection: Connection, policy: str, run_id: str, now: datetime, event_ids: Sequence[str], *, joined: bool
) -> set[str]:
    """Hand waiting events to a run.

    :returns: those it got; the sweep may have closed one as too old meanwhile.
    """
    if not event_ids:
        return set()
    return set(
        connection.scalars(
            update(DeliveryRow)
            .where(DeliveryRow.policy == policy, DeliveryRow.event_id.in_(event_ids), DeliveryRow.state == "waiting")
            .values(state="taken", run_id=run_id, taken_at=now, attempts=DeliveryRow.attempts + 1, joined=joined)
            .returning(DeliveryRow.event_id)
        )
    )


def _close_too_old(connection: Connection, now: datetime, policy: str | None = None) -> int:
    """Close waiting events that nobody is to act on any more.

    :param policy: only this policy's; all when it is left out.
    """
    whose = () if policy is None else (DeliveryRow.policy == policy,)
    key = (DeliveryRow.event_id, DeliveryRow.policy)
    # What another transaction has in hand is left to the next time, or two of them could wait for each other.
    old = (
        select(*key)
        .where(DeliveryRow.state == "waiting", DeliveryRow.too_old_at <= now, *whose)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(
        update(DeliveryRow).where(tuple_(*key).in_(old)).values(state="too_old", closed_at=now)
    ).rowcount


def taken_by(connection: Connection, run_id: str) -> tuple[Delivered, ...]:
    """The events a run took, and what became of them; oldest first."""
    rows = connection.execute(
        select(
            DeliveryRow.event_id,
            DeliveryRow.policy,
            DeliveryRow.state,
            DeliveryRow.joined,
            DeliveryRow.attempts,
            DeliveryRow.taken_at,
            DeliveryRow.closed_at,
            EventRow.value,
        )
        .join(EventRow, EventRow.event_id == DeliveryRow.event_id)
        .where(DeliveryRow.run_id == run_id)
        .order_by(DeliveryRow.joined, DeliveryRow.received_at, DeliveryRow.position, DeliveryRow.event_id)
    )
    return tuple(
        restore(
            Delivered,
            {
                "event": row.value,
                "policy": row.policy,
                "state": row.state,
                "joined": row.joined,
                "attempts": row.attempts,
                "taken_at": row.taken_at,
                "closed_at": row.closed_at,
            },
            f"setpoint_events {row.event_id}",
        )
        for row in rows
    )
