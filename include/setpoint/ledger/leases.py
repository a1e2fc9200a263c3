"""One lease a target: who may change it right now, with a fencing token.

::

    acquire ---> held ---> released
       ^          |  '---> expired ----.
       '----------'--- taken over <----'   (or its holder is certainly dead)

Every time a target's lease is given out its token is one higher, and no token is given out twice. Whoever writes what
became of a change shows the token (``finish_change``): the write of a holder that was overtaken is refused with
:class:`~setpoint.ledger.errors.LeaseLost`. A holder asks the same before it calls the provider.

**The arithmetic.** The client that changes targets sends each request once, connects within 3 s and waits 10 s for
bytes of an answer (:mod:`setpoint_airflow.connections.aws`). A host may have several addresses, each with its own 3 s,
so :data:`CALL_SECONDS`, 20 s, is taken for the longest call. A call is only sent while more than that is left of the
lease's :data:`LEASE_SECONDS`, 40 s; with less left the lease is renewed first, or the step stops. So when a lease runs
out, no call of its holder is under way any more.

**What remains.** AWS's SetDesiredCapacity knows no condition, so the provider itself cannot check a token. A process
that is stopped *between* its last look at the lease and the first byte of its request, and for longer than 20 s, sends
a call it has no right to any more; so does a request that the network delivers late. It is the same absolute number
that its change always was, never a step on top of another, and no other change begins while that change is unfinished.
What it can still do is set a capacity that reconciliation believed not to have been set; the next reconciliation
reports that as drift.

**Clocks.** Whether a lease has expired is decided by one clock: the database's own (PostgreSQL), or that of the machine
the file is on (SQLite). How much of it is left its holder counts itself, from before it asked, so that the clocks of
two machines are never compared.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from setpoint.ledger.database import Database
from setpoint.ledger.errors import LeaseHeld, LeaseLost
from setpoint.ledger.holders import is_dead
from setpoint.ledger.store import Store, restore, utc_now
from setpoint.ledger.tables import LeaseRow
from setpoint.model.base import UtcDatetime, Value

LEASE_SECONDS = 40.0
"""How long a lease is held unless it is renewed."""

CALL_SECONDS = 20.0
"""The longest a call to a provider may take. A call is sent only while more than this is left of the lease."""


class Lease(Value):
    """The right to change one target, for a while.

    :param token: higher than every earlier one of this target.
    :param holder: one attempt of one process; see :func:`setpoint.ledger.holders.new_holder`.
    :param change_id: the change it was last taken for.
    :param released_at: when it was given back; ``None`` while it is held, or when it ran out.
    """

    target_kind: str
    target: str
    token: int
    holder: str
    change_id: str
    acquired_at: UtcDatetime
    expires_at: UtcDatetime
    released_at: UtcDatetime | None = None

    def held_at(self, now: datetime) -> bool:
        """Whether nobody else may take it at this moment of the ledger's clock (unless its holder is dead)."""
        return self.released_at is None and now < self.expires_at


class Leases(Store):
    """Who may change which target."""

    def acquire_lease(self, target_kind: str, target: str, change_id: str, holder: str) -> Lease:
        """Take a target's lease, to finish a change that is begun. (``begin_change`` takes it by itself.)

        :raises LeaseHeld: somebody else holds it.
        """
        with self._database.write() as connection:
            return self._acquire(connection, target_kind, target, change_id, holder)

    def renew_lease(self, lease: Lease) -> Lease:
        """Hold a lease for another :data:`LEASE_SECONDS`. One that ran out, and that nobody took since, is held again.

        :raises LeaseLost: somebody else took it over, or it was released.
        """
        with self._database.write() as connection:
            expires = self._lease_clock(connection) + timedelta(seconds=LEASE_SECONDS)
            self._update_own(connection, lease, expires_at=expires)
        return lease.model_copy(update={"expires_at": expires})

    def release_lease(self, lease: Lease) -> bool:
        """Give a lease back.

        :returns: ``False`` when it was not this holder's any more; there is nothing to give back then.
        """
        with self._database.write() as connection:
            try:
                self._release(connection, lease)
            except LeaseLost:
                return False
        return True

    def leases(self) -> tuple[Lease, ...]:
        """The leases that were not given back: held, or run out because their holder died; oldest first."""
        query = select(LeaseRow.__table__).where(LeaseRow.released_at.is_(None))
        with self._database.read() as connection:
            found = connection.execute(query.order_by(LeaseRow.acquired_at, LeaseRow.target)).all()
        return tuple(_as_lease(row) for row in found)

    def lease_of(self, target_kind: str, target: str) -> Lease | None:
        """A target's lease as it was given out last, also one that was released; ``None`` when it never was."""
        with self._database.read() as connection:
            row = _find(connection, target_kind, target)
        return None if row is None else _as_lease(row)

    def lease_now(self) -> datetime:
        """The present by the clock that decides whether a lease has expired."""
        with self._database.read() as connection:
            return self._lease_clock(connection)

    def _acquire(self, connection: Connection, target_kind: str, target: str, change_id: str, holder: str) -> Lease:
        """Take a lease in a transaction that writes.

        :raises LeaseHeld: somebody else holds it.
        """
        now = self._lease_clock(connection)
        values = {
            "holder": holder,
            "change_id": change_id,
            "acquired_at": now,
            "expires_at": now + timedelta(seconds=LEASE_SECONDS),
            "released_at": None,
        }
        key = {"target_kind": target_kind, "target": target}
        # Held by this very attempt: its first answer got lost on the way, or it takes up the change it is at already.
        free = or_(LeaseRow.released_at.is_not(None), LeaseRow.expires_at <= now, LeaseRow.holder == holder)
        row = _give_out(self._database, connection, key, values, free)
        if row is None:
            held = _find(connection, target_kind, target)
            assert held is not None  # or the insert would have gone through: leases are never deleted
            if not is_dead(held.holder):
                raise LeaseHeld(target, held.holder, held.change_id, (held.expires_at - now).total_seconds())
            row = _give_out(self._database, connection, key, values, LeaseRow.token == held.token)
        if row is None:  # the lock on the target keeps everybody else out; this is for whoever forgets to take it
            raise LeaseHeld(target, "somebody who was faster", change_id, LEASE_SECONDS)
        return _as_lease(row)

    def _release(self, connection: Connection, lease: Lease) -> None:
        """Give a lease back in a transaction that writes.

        :raises LeaseLost: it is not this holder's any more, and the transaction must not write.
        """
        self._update_own(connection, lease, released_at=self._lease_clock(connection))

    def _update_own(self, connection: Connection, lease: Lease, **values: Any) -> None:
        own = update(LeaseRow).where(
            LeaseRow.target_kind == lease.target_kind,
            LeaseRow.target == lease.target,
            LeaseRow.token == lease.token,
            LeaseRow.released_at.is_(None),
        )
        if connection.execute(own.values(**values)).rowcount == 1:
            return
        now = _find(connection, lease.target_kind, lease.target)
        raise LeaseLost(lease.target, lease.token, now.token if now else 0, now.holder if now else "nobody")

    def _lease_clock(self, connection: Connection) -> datetime:
        # A clock other than the usual one was given to be believed: tests move it.
        if self._database.is_sqlite or self._clock is not utc_now:
            return self._clock()
        moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)


def _give_out(
    database: Database, connection: Connection, key: dict[str, str], values: dict[str, Any], free: ColumnElement[bool]
) -> Row[Any] | None:
    """Write a lease with the next token, where there is none or ``free`` holds; ``None`` where it does not hold."""
    statement = (
        database.insert(LeaseRow)
        .values(**key, **values, token=1)
        .on_conflict_do_update(
            index_elements=[LeaseRow.target_kind, LeaseRow.target],
            set_={**values, "token": LeaseRow.token + 1},
            where=free,
        )
        .returning(*LeaseRow.__table__.columns)
    )
    row: Row[Any] | None = connection.execute(statement).one_or_none()
    return row


def _find(connection: Connection, target_kind: str, target: str) -> Row[Any] | None:
    query = select(LeaseRow.__table__).where(LeaseRow.target_kind == target_kind, LeaseRow.target == target)
    return connection.execute(query).one_or_none()


def _as_lease(row: Row[Any]) -> Lease:
    return restore(Lease, {name: getattr(row, name) for name in Lease.model_fields}, f"setpoint_leases {row.target}")
