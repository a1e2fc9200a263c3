"""Where each change stands. The intent is written before the provider is called, the result after it.

Between the two, whoever carries the change out holds the target's lease (:mod:`setpoint.ledger.leases`): it is taken
together with the intent and given back together with the result, in one transaction each.

::

    begin_change     finish_change                    settle_change
         |                |                                 |
         '--> applying ---+--> applied ---------------------'--> settled
                          |--> no_op
                          |--> refused
                          '--> failed

What is not in the picture is refused. ``refuse_change`` writes a change that is not even begun, such as a dry run, as
``refused`` at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from setpoint.ledger.entries import Subject, append_one
from setpoint.ledger.errors import Conflict, IllegalTransition, NotRecorded, TargetBusy
from setpoint.ledger.leases import Lease, Leases
from setpoint.ledger.store import restore
from setpoint.ledger.tables import ChangeRow, OutcomeRow
from setpoint.model.change import ApplyResult, Change, ChangeState
from setpoint.model.decision import Reason
from setpoint.model.plan import PlannedChange

OPEN = [state.value for state in ChangeState if state.open]
EFFECTIVE = [state.value for state in ChangeState if state.effective]

_RESULTS = (ChangeState.APPLIED, ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED)


class Begun(NamedTuple):
    """A change as ``begin_change`` leaves it."""

    change: Change
    lease: Lease | None
    """The right to carry it out; ``None`` when it has ended already, so that there is nothing to carry out."""


class Changes(Leases):
    """The changes, from intent to settled."""

    def begin_change(self, change: PlannedChange, now: datetime, holder: str) -> Begun:
        """Write down that a change is about to be carried out, and take the target's lease; then call the provider.

        The same change again (a retry) is the one already there, with one attempt more; one that has ended is returned
        as it is, without a lease, and the caller does not go on. At most one change of a target is open at a time,
        whichever policy it comes from; only the change that takes an open one back may begin beside it, once that one
        is applied. A dry run is never begun, it is refused with the code ``dry_run``.

        :param holder: who carries it out; see :func:`setpoint.ledger.holders.new_holder`.
        :raises TargetBusy: another change of the target is open.
        :raises LeaseHeld: another attempt at this change is at work; nothing was written.
        :raises Conflict: a change with this id was begun with another content.
        """
        if change.dry_run:
            text = f"dry run: {change.target} would have gone from {change.from_units} to {change.to_units} units"
            return Begun(self.refuse_change(change, Reason(code="dry_run", text=text[:1000]), now), None)
        with self._database.write() as connection:
            begun = self._look_up(connection, change)
            if begun is not None and begun.state != ChangeState.APPLYING:
                return Begun(as_change(begun), None)
            if begun is None:
                _refuse_if_busy(connection, change)
            lease = self._acquire(connection, change.target_kind, change.target, change.change_id, holder)
            if begun is not None:
                self._update(connection, change.change_id, attempts=begun.attempts + 1)
                return Begun(as_change(_get(connection, change.change_id)), lease)
            text = f"about to take {change.target} from {change.from_units} to {change.to_units} units"
            reason = Reason(code="intended", text=text[:1000])
            connection.execute(insert(ChangeRow), [_new_row(change, ChangeState.APPLYING, reason, now)])
            return Begun(self._written(connection, change.change_id, now), lease)

    def refuse_change(self, change: PlannedChange, reason: Reason, now: datetime) -> Change:
        """Write down that a planned change is not even begun. It is never open, and the guards never remember it.

        A change that has ended already stays as it is.

        :raises IllegalTransition: the change is applying or applied, so the provider may have been called.
        :raises Conflict: a change with this id is known with another content.
        """
        with self._database.write() as connection:
            known = self._look_up(connection, change)
            if known is None:
                row = _new_row(change, ChangeState.REFUSED, reason, now)
                row["result"] = ApplyResult(state=ChangeState.REFUSED, reason=reason)
                connection.execute(insert(ChangeRow), [row])
                return self._written(connection, change.change_id, now)
        if ChangeState(known.state).open:
            why = "it was begun, so the provider may have been called; finish it with what came of that"
            raise IllegalTransition(change.change_id, ChangeState(known.state), ChangeState.REFUSED, why)
        return as_change(known)

    def finish_change(self, change_id: str, result: ApplyResult, now: datetime, lease: Lease) -> Change:
        """Write down what came of asking the provider, and give the lease back.

        The first result stays; the same state again changes nothing.

        :param result: its state is ``applied``, ``no_op``, ``refused`` or ``failed``.
        :param lease: the target's, as ``begin_change`` or ``acquire_lease`` gave it.
        :raises LeaseLost: somebody took the lease over; what becomes of the change is theirs to write.
        :raises IllegalTransition: the change has ended otherwise, or the state is none of these.
        :raises NotRecorded: there is no such change.
        """
        with self._database.write() as connection:
            row = _get(connection, change_id, lock=True)
            state = ChangeState(row.state)
            if result.state not in _RESULTS:
                why = f"a result is one of {', '.join(_RESULTS)}"
                raise IllegalTransition(change_id, state, result.state, why)
            if state is result.state or (state is ChangeState.SETTLED and result.state is ChangeState.APPLIED):
                return as_change(row)
            if state is not ChangeState.APPLYING:
                why = "only a change that is applying can be finished, and only once"
                raise IllegalTransition(change_id, state, result.state, why)
            if (lease.target_kind, lease.target) != (row.target_kind, row.target):
                raise ValueError(f"change {change_id} is of {row.target}, and the lease shown is of {lease.target}")
            self._release(connection, lease)
            self._update(
                connection,
                change_id,
                state=result.state.value,
                reason=result.reason,
                result=result,
                applied_at=now if result.state is ChangeState.APPLIED else None,
            )
            return self._written(connection, change_id, now)

    def settle_change(self, change_id: str, reason: Reason, now: datetime) -> Change:
        """The capacity is in service, or the wait for it has ended with a reason. Once settled, it stays as it is.

        :raises IllegalTransition: the change is not applied.
        :raises NotRecorded: there is no such change.
        """
        with self._database.write() as connection:
            row = _get(connection, change_id, lock=True)
            if row.state == ChangeState.SETTLED:
                return as_change(row)
            if row.state != ChangeState.APPLIED:
                why = "only a change the provider accepted can settle"
                raise IllegalTransition(change_id, ChangeState(row.state), ChangeState.SETTLED, why)
            self._update(connection, change_id, state=ChangeState.SETTLED.value, reason=reason, settled_at=now)
            return self._written(connection, change_id, now)

    def change(self, change_id: str) -> Change | None:
        """A change, or ``None`` when it was never begun."""
        with self._database.read() as connection:
            row = _find(connection, change_id)
        return None if row is None else as_change(row)

    def changes_of(self, run_id: str) -> tuple[Change, ...]:
        """A run's changes, in the order in which they were begun."""
        with self._database.read() as connection:
            return select_changes(connection, ChangeRow.run_id == run_id)

    def changes_since(self, since: datetime, policy: str | None = None) -> tuple[Change, ...]:
        """The changes begun or refused at or after a moment, of one policy or of all, in that order."""
        conditions = [ChangeRow.intended_at >= since]
        if policy is not None:
            conditions.append(ChangeRow.policy == policy)
        with self._database.read() as connection:
            return select_changes(connection, *conditions)

    def unfinished_changes(self, before: datetime) -> list[Change]:
        """Changes that are applying since before a moment, or applied before it and not settled; oldest first."""
        applying = (ChangeRow.state == ChangeState.APPLYING.value) & (ChangeRow.intended_at < before)
        applied = (ChangeRow.state == ChangeState.APPLIED.value) & (ChangeRow.applied_at < before)
        with self._database.read() as connection:
            return list(select_changes(connection, applying | applied))

    def changes_without_outcome(self, before: datetime) -> list[Change]:
        """Changes that took effect before a moment and have no outcome yet; oldest first."""
        judged = select(OutcomeRow.change_id).where(OutcomeRow.change_id == ChangeRow.change_id).exists()
        with self._database.read() as connection:
            return list(select_changes(connection, took_effect(), ChangeRow.applied_at < before, ~judged))

    def superseded_by(self, change_id: str) -> Change | None:
        """The first change that took effect on the same target after this one, whichever policy made it.

        :raises NotRecorded: there is no such change.
        """
        with self._database.read() as connection:
            row = _get(connection, change_id)
            same_target = (ChangeRow.target_kind == row.target_kind) & (ChangeRow.target == row.target)
            later = select_changes(connection, same_target, ChangeRow.seq > row.seq, took_effect(), limit=1)
        return later[0] if later else None

    def _look_up(self, connection: Connection, change: PlannedChange) -> Row[Any] | None:
        """The row of a change, if there is one. Until the transaction ends, no other change of its target begins."""
        # The index alone would stop two changes that apply at once; the lock also covers the applied ones.
        self._database.lock(connection, "target", change.target_kind, change.target)
        row = _find(connection, change.change_id, lock=True)
        if row is not None:
            _require_same(as_change(row).plan, change)
        return row

    def _update(self, connection: Connection, change_id: str, **values: Any) -> None:
        connection.execute(update(ChangeRow).where(ChangeRow.change_id == change_id).values(**values))

    def _written(self, connection: Connection, change_id: str, now: datetime) -> Change:
        change = as_change(_get(connection, change_id))
        subject = Subject(change.plan.run_id, change.plan.policy, change.plan.target, change_id)
        append_one(self._database, connection, "change", change, subject, now)
        return change


def took_effect() -> ColumnElement[bool]:
    """The provider's state was changed. A dry run never gets that far."""
    return ChangeRow.state.in_(EFFECTIVE)


def select_changes(connection: Connection, *where: ColumnElement[bool], limit: int | None = None) -> tuple[Change, ...]:
    """The changes that meet all the conditions, in the order in which they were begun."""
    query = select(ChangeRow.__table__).where(*where).order_by(ChangeRow.seq).limit(limit)
    return tuple(as_change(row) for row in connection.execute(query))


def _find(connection: Connection, change_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = select(ChangeRow.__table__).where(ChangeRow.change_id == change_id)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def _get(connection: Connection, change_id: str, *, lock: bool = False) -> Row[Any]:
    row = _find(connection, change_id, lock=lock)
    if row is None:
        raise NotRecorded(
            f"the ledger has no change {change_id}; a change is begun (begin_change) before the provider is called"
        )
    return row


def _refuse_if_busy(connection: Connection, change: PlannedChange) -> None:
    in_the_way = select_changes(
        connection,
        ChangeRow.target_kind == change.target_kind,
        ChangeRow.target == change.target,
        ChangeRow.state.in_(OPEN),
    )
    for other in in_the_way:
        takes_it_back = other.change_id == change.reverts and other.state is ChangeState.APPLIED
        if not takes_it_back:
            raise TargetBusy(other.change_id, change.target, other.intended_at)


def _require_same(known: PlannedChange, change: PlannedChange) -> None:
    # The reason is told with fresh numbers, pulled again, when a run is repeated; the change is the same.
    differing = [
        f"{name} was {getattr(known, name)!r} and is {getattr(change, name)!r} now"
        for name in PlannedChange.model_fields
        if name not in ("reason", "metrics_pulled_at") and getattr(known, name) != getattr(change, name)
    ]
    if differing:
        raise Conflict(
            f"change {change.change_id} is in the ledger with another content: {'; '.join(differing)}. A change is "
            f"never altered once it is recorded; plan again in a new run"
        )


def _new_row(change: PlannedChange, state: ChangeState, reason: Reason, now: datetime) -> dict[str, Any]:
    return {
        **change.model_dump(include={"change_id", "run_id", "policy", "target_kind", "target", "dry_run", "reverts"}),
        "action": change.action.value,
        "to_units": change.to_units,
        "state": state.value,
        "reason": reason,
        "plan": change,
        "attempts": 1,
        "intended_at": now,
    }


def as_change(row: Row[Any]) -> Change:
    """A row of ``setpoint_changes`` as the change it holds."""
    stored = {name: getattr(row, name) for name in Change.model_fields}
    return restore(Change, stored, f"setpoint_changes {row.change_id}")
