"""Deleting what is remembered of series and targets that no batch speaks of any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, tuple_

from setpoint.ledger.quality_tables import SeriesHistoryRow, StreakRow
from setpoint.ledger.store import Store

_AT_ONCE = 1_000
"""Rows in one transaction: three parameters each, and nobody waits long for the lock."""


class Forgetting(Store):
    """The rows that would otherwise stay for every target there ever was."""

    def forget_memories(self, before: datetime, at_most: int) -> int:
        """Delete histories of series and streaks of targets that no batch has touched since a moment.

        A target that is gone has no batches. One that came back starts over, as one that is new. May be called again.

        :param before: histories last accepted, and streaks last counted, before this go.
        :param at_most: rows to delete at most; the next call goes on.
        :returns: how many rows were deleted.
        """
        deleted = 0
        for table, columns, touched in (
            (
                SeriesHistoryRow,
                (SeriesHistoryRow.policy, SeriesHistoryRow.target, SeriesHistoryRow.metric),
                SeriesHistoryRow.accepted_at,
            ),
            (StreakRow, (StreakRow.policy, StreakRow.target), StreakRow.window_end),
        ):
            while deleted < at_most:
                count = min(_AT_ONCE, at_most - deleted)
                oldest = select(*columns).where(touched < before).order_by(touched).limit(count)
                with self._database.write() as connection:
                    # One statement: what a run writes meanwhile is not deleted.
                    gone = connection.execute(
                        delete(table).where(tuple_(*columns).in_(oldest), touched < before)
                    ).rowcount
                deleted += gone
                if gone < count:
                    break
        return deleted

    def count_memories(self, before: datetime) -> int:
        """How many rows :meth:`forget_memories` would delete, were there no bound."""
        with self._database.read() as connection:
            return sum(
                connection.execute(select(func.count()).select_from(table).where(touched < before)).scalar_one()
                for table, touched in (
                    (SeriesHistoryRow, SeriesHistoryRow.accepted_at),
                    (StreakRow, StreakRow.window_end),
                )
            )
