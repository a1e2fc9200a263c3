"""The verdicts on changes. The first one recorded stays: a second look does not rewrite what was acted on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, or_, select
from sqlalchemy.orm import aliased

from setpoint.ledger.changes import EFFECTIVE, select_changes, took_effect
from setpoint.ledger.entries import Subject, append_one
from setpoint.ledger.errors import NotRecorded
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import ChangeRow, OutcomeRow
from setpoint.model.change import Change, ChangeState
from setpoint.model.outcome import Followed, Outcome

CAME_TO_NOTHING = (ChangeState.REFUSED.value, ChangeState.FAILED.value)
"""States in which a roll-back has ended without taking anything back: it is still due."""


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

    def rollbacks_of(self, change_id: str) -> tuple[Change, ...]:
        """The attempts to take a change back, in the order in which they were begun or refused."""
        with self._database.read() as connection:
            return select_changes(connection, ChangeRow.reverts == change_id)

    def rollbacks_due(self, since: datetime, until: datetime) -> tuple[Change, ...]:
        """Changes whose outcome says that they are taken back, and that nothing took back; oldest first.

        Left out are those whose target a later change moved on, whichever policy it came from, and those with a
        roll-back that is under way or found the target back already. One that was refused or failed is no roll-back.

        :param since: only outcomes recorded at or after this moment,
        :param until: and at or before this one.
        """
        later = aliased(ChangeRow)
        moved_on = and_(later.target_kind == ChangeRow.target_kind, later.target == ChangeRow.target)
        moved_on &= and_(later.seq > ChangeRow.seq, later.state.in_(EFFECTIVE))
        taken_back = and_(later.reverts == ChangeRow.change_id, later.state.not_in(CAME_TO_NOTHING))
        settled_by = select(later.seq).where(or_(moved_on, taken_back)).exists()
        harmful = (
            select(OutcomeRow.change_id)
            .where(
                OutcomeRow.change_id == ChangeRow.change_id,
                OutcomeRow.followed == Followed.ROLL_BACK.value,
                OutcomeRow.recorded_at >= since,
                OutcomeRow.recorded_at <= until,
            )
            .exists()
        )
        with self._database.read() as connection:
            return select_changes(connection, took_effect(), harmful, ~settled_by)


def find_outcome(connection: Connection, change_id: str) -> Outcome | None:
    """The verdict on a change, or ``None`` when there is none yet."""
    value = connection.scalars(select(OutcomeRow.value).where(OutcomeRow.change_id == change_id)).one_or_none()
    return None if value is None else restore(Outcome, value, f"setpoint_outcomes {change_id}")
