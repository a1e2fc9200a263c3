"""The verdicts on changes. The first one recorded stays: a second look does not rewrite what was acted on."""

from __future__ import annotations

from sqlalchemy import Connection, select

from setpoint.ledger.entries import Subject, append_one
from setpoint.ledger.errors import NotRecorded
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ChangeRow, OutcomeRow
from setpoint.model.outcome import Outcome


class Outcomes(Store):
    """What changes did to health."""

    def record_outcome(self, outcome: Outcome) -> Outcome:
        """Record the verdict on a change, unless there is one.

        :returns: the outcome that is recorded now; act on this one, not on the one handed in.
        :raises NotRecorded: there is no such change.
        """
        row = {
            "change_id": outcome.change_id,
            "verdict": outcome.verdict.value,
            "followed": outcome.followed.value,
            "value": outcome,
            "recorded_at": outcome.recorded_at,
        }
        with self._database.write() as connection:
            begun = select(ChangeRow.change_id).where(ChangeRow.change_id == outcome.change_id)
            if connection.execute(begun).one_or_none() is None:
                raise NotRecorded(f"the ledger has no change {outcome.change_id}, so there is nothing to judge")
            insert = self._database.insert(OutcomeRow).on_conflict_do_nothing().returning(OutcomeRow.change_id)
            if connection.scalars(insert, [row]).one_or_none() is not None:
                subject = Subject(outcome.run_id, outcome.policy, outcome.target, outcome.change_id)
                append_one(self._database, connection, "outcome", outcome, subject, outcome.recorded_at)
            recorded = find_outcome(connection, outcome.change_id)
        assert recorded is not None
        return recorded

    def outcome_of(self, change_id: str) -> Outcome | None:
        """The verdict on a change, or ``None`` when there is none yet."""
        with self._database.read() as connection:
            return find_outcome(connection, change_id)


def find_outcome(connection: Connection, change_id: str) -> Outcome | None:
    """The verdict on a change, or ``None`` when there is none yet."""
    value = connection.scalars(select(OutcomeRow.value).where(OutcomeRow.change_id == change_id)).one_or_none()
    return None if value is None else restore(Outcome, value, f"setpoint_outcomes {change_id}")
