"""When a policy is woken: at once for a first event, once more at its debounce's end, again when a wake-up was lost.

A wake-up is outstanding from the moment somebody took it upon himself to deliver it until a run has pulled metrics.
Events that come meanwhile need no other: the run's pull joins them. Those that come after the pull cause exactly one
more, at the debounce's end. A wake-up that no run answers is repeated after 30, 60, 120, 120, ... seconds, counted from
the last; so what Airflow loses is made up for, in another process if need be, and a policy that is paused or busy is
not woken by every event.

An event with a request is a run of its own: it wakes its policy whatever is outstanding, and changes nothing of that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from setpoint.ledger.database import Database
from setpoint.ledger.store import Store
from setpoint.ledger.tables import DeliveryRow, WakeRow

PACE = (timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120))
"""How long a wake-up is waited for before it is repeated; the last step repeats."""

RELEASED = (timedelta(seconds=5), *PACE)
"""How long the events of a run that failed rest before the next run, by how often they were taken."""

STARTING = timedelta(seconds=5)
"""When a stream starts, a wake-up older than this and still unanswered died with the process before it."""


@dataclass(frozen=True)
class Wake:
    """Where a policy stands; all moments ``None`` for one that was never woken."""

    woken_at: datetime | None = None
    pulled_at: datetime | None = None
    due_at: datetime | None = None
    times: int = 0
    """Wake-ups in a row that no pull answered."""

    def outstanding(self, now: datetime, patience: timedelta | None = None) -> bool:
        """A wake-up is on its way, and not given up yet.

        :param patience: how long it is waited for; by :data:`PACE` when it is left out.
        """
        if self.woken_at is None or self.pulled_at is not None:
            return False
        wait = patience if patience is not None else PACE[min(max(self.times, 1), len(PACE)) - 1]
        return now < self.woken_at + wait

    def woken(self, now: datetime) -> Wake:
        """Somebody wakes it now."""
        times = self.times + 1 if self.pulled_at is None else 1
        return Wake(woken_at=now, times=times)

    def pulled(self, now: datetime) -> Wake:
        """A run has pulled metrics: what comes from here on needs another."""
        return Wake(woken_at=self.woken_at, pulled_at=now, due_at=self.due_at)

    def due(self, at: datetime) -> Wake:
        """It is to be woken at a moment, or at an earlier one that is set already."""
        return replace(self, due_at=at if self.due_at is None else min(at, self.due_at))

    def after_events(self, now: datetime, debounce: timedelta) -> Wake:
        """Events without a request have come: where it stands then, ``due_at`` no later than now to be woken now."""
        if self.outstanding(now):
            return self
        if self.woken_at is None or self.pulled_at is None or now >= self.woken_at + debounce:
            return self.due(now)
        return self.due(self.woken_at + debounce)


@dataclass(frozen=True)
class News:
    """What has come to wait for a policy."""

    debounce: timedelta
    plain: bool
    """Events without a request."""
    asked: bool
    """Events with one."""


class Wakes(Store):
    """Who is to be woken, and when."""

    def claim_wakes(self, listening: Collection[str] | None, now: datetime) -> frozenset[str]:
        """Take it upon oneself to wake the policies that are due. Nobody else gets the same ones.

        One light query when nobody is.

        :param listening: the policies that the caller can wake; ``None`` for all.
        """
        with self._database.read() as connection:
            found = connection.scalars(select(WakeRow.policy).where(WakeRow.due_at <= now))
            due = [name for name in found if listening is None or name in listening]
        if not due:
            return frozenset()
        with self._database.write() as connection:
            rows = _locked(connection, due)
            waiting = set(
                connection.scalars(
                    select(DeliveryRow.policy)
                    .where(DeliveryRow.policy.in_(due), DeliveryRow.state == "waiting")
                    .distinct()
                )
            )
            claimed = {name for name, row in rows.items() if row.due_at is not None and row.due_at <= now}
            # Another run may have taken what it was due for.
            changed = {
                name: rows[name].woken(now) if name in waiting else replace(rows[name], due_at=None) for name in claimed
            }
            _write(connection, changed)
        return frozenset(claimed & waiting)

    def find_overdue(self, now: datetime, received_before: datetime, *, starting: bool = False) -> tuple[str, ...]:
        """Find the policies whose events wait though nobody is about to wake them, and make them due: the safety net.

        :param received_before: a younger event is on its way already.
        :param starting: the caller has just started, so wake-ups may have died with its forerunner.
        :returns: the policies that became due.
        """
        query = (
            select(DeliveryRow.policy)
            .where(DeliveryRow.state == "waiting", DeliveryRow.received_at <= received_before)
            .distinct()
        )
        with self._database.read() as connection:
            waiting = connection.scalars(query).all()
        if not waiting:
            return ()
        with self._database.write() as connection:
            rows = _with_rows(self._database, connection, waiting)
            patience = STARTING if starting else None
            overdue = {
                name: row.due(now)
                for name, row in rows.items()
                if row.due_at is None and not row.outstanding(now, patience)
            }
            _write(connection, overdue)
        return tuple(sorted(overdue))


def note_news(
    database: Database,
    connection: Connection,
    news: Mapping[str, News],
    now: datetime,
    listening: Collection[str] | None,
) -> frozenset[str]:
    """Events have come to wait: say when their policies are woken, and who of them is woken right now by the caller.

    :param listening: the policies the caller can wake; ``None`` for all.
    """
    if not news:
        return frozenset()
    rows = _with_rows(database, connection, news)
    changed: dict[str, Wake] = {}
    woken: set[str] = set()
    for name, what in news.items():
        row, here = rows[name], listening is None or name in listening
        after = row.after_events(now, what.debounce) if what.plain else row
        if after.due_at is not None and after.due_at <= now and here:
            after = after.woken(now)
            woken.add(name)
        elif what.asked:
            # Beside the debounce: a wake-up more, or as soon as somebody can.
            woken.update([name] if here else [])
            after = after if here else after.due(now)
        if after != row:
            changed[name] = after
    _write(connection, changed)
    return frozenset(woken)


def note_pull(database: Database, connection: Connection, policy: str, now: datetime) -> None:
    """A run is about to pull metrics. Locks the policy's row first: an event is joined, or wakes, and not neither."""
    row = _with_rows(database, connection, [policy])[policy]
    _write(connection, {policy: row.pulled(now)})


def note_left(database: Database, connection: Connection, policy: str, now: datetime, *, by_request: bool) -> None:
    """A run has taken its events: whatever it left waiting is not stranded.

    A request that waits needs a run at once. Other events have a wake-up under way or are due, as a rule; but a run
    that took a request may have been started by theirs.

    :param by_request: the run took an event with a request.
    """
    plain, asked = _kinds_waiting(connection, policy)
    if not (plain or asked):
        return
    row = _with_rows(database, connection, [policy])[policy]
    if asked or (row.due_at is None and (by_request or not row.outstanding(now))):
        _write(connection, {policy: row.due(now)})


def note_release(database: Database, connection: Connection, policy: str, now: datetime, attempts: int) -> None:
    """A run has failed and given its events back: they rest a while, unless others come."""
    row = _with_rows(database, connection, [policy])[policy]
    rest = RELEASED[min(max(attempts, 1), len(RELEASED)) - 1]
    _write(connection, {policy: replace(row, pulled_at=row.pulled_at or now).due(now + rest)})


def _with_rows(database: Database, connection: Connection, policies: Iterable[str]) -> dict[str, Wake]:
    """The policies' rows, locked and made where they were missing. In one order, so that nobody waits in a circle."""
    names = sorted(set(policies))
    rows = _locked(connection, names)
    if missing := [{"policy": name, "times": 0} for name in names if name not in rows]:
        connection.execute(database.insert(WakeRow).on_conflict_do_nothing(), missing)
        rows = _locked(connection, names)
    return rows


def _locked(connection: Connection, policies: Collection[str]) -> dict[str, Wake]:
    query = (
        select(WakeRow.policy, WakeRow.woken_at, WakeRow.pulled_at, WakeRow.due_at, WakeRow.times)
        .where(WakeRow.policy.in_(sorted(policies)))
        .order_by(WakeRow.policy)
        .with_for_update()
    )
    return {
        row.policy: Wake(woken_at=row.woken_at, pulled_at=row.pulled_at, due_at=row.due_at, times=row.times)
        for row in connection.execute(query)
    }


def _write(connection: Connection, rows: Mapping[str, Wake]) -> None:
    for policy, row in sorted(rows.items()):
        values: dict[str, Any] = {
            "woken_at": row.woken_at,
            "pulled_at": row.pulled_at,
            "due_at": row.due_at,
            "times": row.times,
        }
        connection.execute(update(WakeRow).where(WakeRow.policy == policy).values(**values))


def _kinds_waiting(connection: Connection, policy: str) -> tuple[bool, bool]:
    """Whether the policy has events waiting without a request, and with one."""
    query = select(DeliveryRow.asked).where(DeliveryRow.policy == policy, DeliveryRow.state == "waiting").distinct()
    found = set(connection.scalars(query))
    return False in found, True in found
