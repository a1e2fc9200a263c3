"""Incidents: a source that is broken is told once, however many batches show it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, or_, select, update

from setpoint.ledger.quality_tables import IncidentRow
from setpoint.ledger.store import Store, restore
from setpoint.model.base import digest
from setpoint.model.streak import Incident

SOURCE_BROKEN = "source_broken"


class Incidents(Store):
    """At most one open incident of a policy and kind."""

    def note_source(self, policy: str, run_id: str, window_end: datetime, broken: str | None) -> Incident | None:
        """Note what a batch shows of a policy's source: open an incident, go on with the open one, or close it.

        A batch over an older window than the last one that showed trouble says nothing about now, and one over the same
        window adds none to the count.

        :param broken: what is wrong; ``None`` when the source is well.
        :returns: the incident the batch belongs to, or the one that it closed; ``None`` when there is none.
        """
        now = self._clock()
        if broken is None:
            with self._database.read() as connection:
                if _open(connection, policy) is None:  # as almost always: nobody has to wait for a lock
                    return _closed_by(connection, policy, run_id)
        with self._database.write() as connection:
            self._database.lock(connection, "incident", policy, SOURCE_BROKEN)
            known = _open(connection, policy)
            if known is None:
                if broken is None:
                    return _closed_by(connection, policy, run_id)
                return self._opened(connection, policy, run_id, window_end, broken, now)
            # A time in the future was written by a clock that has been set back; it orders nothing.
            if window_end < known.window_end <= now:
                return known
            values = _going_on(known, run_id, window_end, broken, now) if broken else _closing(run_id, now)
            where = IncidentRow.incident_id == known.incident_id
            connection.execute(update(IncidentRow).where(where).values(**values))
            return known.model_copy(update=values)

    def incidents(
        self, policy: str | None = None, since: datetime | None = None, limit: int = 50, open_only: bool = False
    ) -> list[Incident]:
        """The incidents, newest first.

        :param since: only those that were open at this moment or later.
        """
        query = select(IncidentRow.__table__)
        if policy is not None:
            query = query.where(IncidentRow.policy == policy)
        if open_only:
            query = query.where(IncidentRow.closed_at.is_(None))
        if since is not None:
            query = query.where(or_(IncidentRow.closed_at.is_(None), IncidentRow.closed_at >= since))
        query = query.order_by(IncidentRow.opened_at.desc(), IncidentRow.incident_id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [restore(Incident, dict(row), f"incident {row['incident_id']}") for row in rows]

    def _opened(
        self, connection: Connection, policy: str, run_id: str, window_end: datetime, text: str, now: datetime
    ) -> Incident:
        incident = Incident(
            incident_id=digest(policy, SOURCE_BROKEN, run_id, now.isoformat()),
            policy=policy,
            kind=SOURCE_BROKEN,
            text=text,
            opened_at=now,
            opened_by=run_id,
            batches=1,
            last_at=now,
            last_run=run_id,
            window_end=window_end,
        )
        connection.execute(insert(IncidentRow), [incident.model_dump()])
        return incident


def _going_on(known: Incident, run_id: str, window_end: datetime, text: str, now: datetime) -> dict[str, object]:
    again = window_end == known.window_end
    return {
        "text": text,
        "batches": known.batches + (not again),
        "last_at": now,
        "last_run": run_id,
        "window_end": window_end,
    }


def _closing(run_id: str, now: datetime) -> dict[str, object]:
    return {"closed_at": now, "closed_by": run_id}


def _open(connection: Connection, policy: str) -> Incident | None:
    where = (IncidentRow.policy == policy, IncidentRow.kind == SOURCE_BROKEN, IncidentRow.closed_at.is_(None))
    row = connection.execute(select(IncidentRow.__table__).where(*where)).mappings().one_or_none()
    return None if row is None else restore(Incident, dict(row), f"incident {row['incident_id']}")


def _closed_by(connection: Connection, policy: str, run_id: str) -> Incident | None:
    """The incident a run has closed already: a retry of it gets the same answer."""
    where = (IncidentRow.policy == policy, IncidentRow.closed_by == run_id)
    row = connection.execute(select(IncidentRow.__table__).where(*where)).mappings().first()
    return None if row is None else restore(Incident, dict(row), f"incident {row['incident_id']}")
