"""Who may decide on an event: the run that has it, and no run that gave it back or was taken for dead.

::

    taken --record_decisions--> decided      from here on nobody gives the run's events back
      '---release_events------> waiting      from here on the run may not decide any more

Both lock the run's deliveries first, so that of the two exactly one happens. A run that was only slow (its task waited
for a dead supervisor to be noticed, an API server or a database to return) can thus be taken for dead, and its events
be given to another run, without one breach being answered twice.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, select

from setpoint.ledger.errors import EventsLost
from setpoint.ledger.tables import DeliveryRow, EntryRow, RunRow


def require_events(connection: Connection, run_id: str) -> None:
    """Make sure that a run still has the events it took, and that it keeps them while this transaction lasts.

    A run without events, or that the ledger does not know, has nothing to lose.

    :raises EventsLost: they were given back.
    """
    run = connection.execute(select(RunRow.policy, RunRow.event_ids).where(RunRow.run_id == run_id)).one_or_none()
    if run is None or not run.event_ids:
        return
    rows = connection.execute(
        select(DeliveryRow.event_id, DeliveryRow.run_id)
        .where(DeliveryRow.policy == run.policy, DeliveryRow.event_id.in_(run.event_ids))
        .order_by(DeliveryRow.received_at, DeliveryRow.event_id)  # as release_events does: two locks, one order
        .with_for_update()
    ).all()
    lost = [row.event_id for row in rows if row.run_id != run_id]
    if lost:
        raise EventsLost(run_id, lost, sorted({row.run_id for row in rows if row.run_id not in (None, run_id)}))


def has_decided(connection: Connection, run_id: str) -> bool:
    """Whether a run has decided on its events. Ask with the run's deliveries locked."""
    decided = exists().where(EntryRow.run_id == run_id, EntryRow.kind == "decision")
    return bool(connection.scalar(select(decided)))
