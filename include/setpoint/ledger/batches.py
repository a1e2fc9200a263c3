"""From a batch back to the run it was pulled for."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Text, cast, select

from setpoint.ledger.store import Store
from setpoint.ledger.tables import EntryRow

_RECORDED_WITHIN = timedelta(hours=1)
"""A batch is recorded when its pull has ended, seconds or minutes after the moment it is of."""
_CLOCKS = timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""


class Batches(Store):
    """Finds batches. They have no table of their own: each is an entry of its run."""

    def run_of_batch(self, batch_id: str, policy: str, pulled_at: datetime) -> str | None:
        """The run a batch was pulled for; ``None`` when none is recorded.

        :param batch_id: the whole id.
        :param pulled_at: when it was pulled, which is in its file's name; to the second will do.
        """
        query = (
            select(EntryRow.run_id)
            .where(
                EntryRow.kind == "batch",
                EntryRow.policy == policy,
                EntryRow.recorded_at >= pulled_at - _CLOCKS,
                EntryRow.recorded_at <= pulled_at + _RECORDED_WITHIN,
                # The id is a digest: where it stands in the batch's JSON, it stands for nothing else.
                cast(EntryRow.value, Text).contains(f'"{batch_id}"', autoescape=True),
            )
            .order_by(EntryRow.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()
