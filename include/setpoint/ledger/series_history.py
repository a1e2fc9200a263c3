"""What the gate remembers of every series, so that what is usual survives a restart."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Text, cast, select

from setpoint.ledger.quality_tables import SeriesHistoryRow
from setpoint.ledger.store import Store, restore_text
from setpoint.ledger.types import json_text
from setpoint.model.history import SeriesHistory


class SeriesHistories(Store):
    """One history a series, of its last accepted batch."""

    def series_history(self, policy: str) -> tuple[SeriesHistory, ...]:
        """What is remembered of a policy's series; of one that was never accepted, nothing."""
        query = (
            # As text: a fleet's histories are many, and the model reads JSON faster than plain data.
            select(SeriesHistoryRow.target, cast(SeriesHistoryRow.value, Text).label("text"))
            .where(SeriesHistoryRow.policy == policy)
            .order_by(SeriesHistoryRow.target, SeriesHistoryRow.metric)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(restore_text(SeriesHistory, row.text, f"the history of {row.target}") for row in rows)

    def keep_series_history(self, policy: str, histories: Sequence[SeriesHistory]) -> None:
        """Remember series as they were in the last accepted batch; one that is older than what is known is left out."""
        rows = [
            {
                "policy": policy,
                "target": one.target,
                "metric": one.metric,
                "accepted_at": one.accepted_at,
                "value": json_text(one),
            }
            for one in histories
        ]
        if not rows:
            return
        insert = self._database.insert(SeriesHistoryRow)
        statement = insert.on_conflict_do_update(
            index_elements=[SeriesHistoryRow.policy, SeriesHistoryRow.target, SeriesHistoryRow.metric],
            set_={"accepted_at": insert.excluded.accepted_at, "value": insert.excluded.value},
            where=SeriesHistoryRow.accepted_at <= insert.excluded.accepted_at,
        )
        with self._database.write() as connection:
            connection.execute(statement, rows)
