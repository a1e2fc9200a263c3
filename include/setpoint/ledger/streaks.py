"""Failed batches in a row, by policy and target, so that the fallback survives a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from setpoint.ledger.quality_tables import StreakRow
from setpoint.ledger.store import Store, restore
from setpoint.model.streak import Streak, count_batch

_COLUMNS = (StreakRow.target, StreakRow.failures, StreakRow.since, StreakRow.ended, StreakRow.window_end)


class Streaks(Store):
    """Counting what :func:`setpoint.model.streak.count_batch` says."""

    def streaks(self, policy: str) -> dict[str, Streak]:
        """The streaks of a policy's targets, by target; a target none of whose batches failed lately has none."""
        with self._database.read() as connection:
            return _streaks(connection, policy)

    def count_batch(self, policy: str, failed: Mapping[str, bool], window_end: datetime) -> dict[str, Streak]:
        """Count one batch for its targets, and return their streaks as they are now; once more changes nothing.

        :param failed: of each target in the batch, whether the gate failed it.
        :param window_end: the end of the batch's window.
        """
        now = self._clock()
        if not any(failed.values()) and not self.streaks(policy):  # as almost always: nobody has to wait for a lock
            return {target: Streak(target=target, window_end=window_end) for target in failed}
        with self._database.write() as connection:
            self._database.lock(connection, "streaks", policy)
            known = _streaks(connection, policy)
            after = {
                target: count_batch(known.get(target), target, failed=one, window_end=window_end, now=now)
                for target, one in failed.items()
            }
            self._write(connection, policy, (one for one in after.values() if _worth_keeping(one, known)))
        return after

    def _write(self, connection: Connection, policy: str, streaks: Iterable[Streak]) -> None:
        rows = [{"policy": policy, **one.model_dump()} for one in streaks]
        if not rows:
            return
        insert = self._database.insert(StreakRow)
        changed = {name: insert.excluded[name] for name in ("failures", "since", "ended", "window_end")}
        connection.execute(
            insert.on_conflict_do_update(index_elements=[StreakRow.policy, StreakRow.target], set_=changed), rows
        )


def _worth_keeping(streak: Streak, known: Mapping[str, Streak]) -> bool:
    """Whether something is to be written: most batches of most targets pass, and there is nothing to remember then."""
    before = known.get(streak.target)
    if before is None:
        return bool(streak.failures)
    return streak != before and bool(streak.failures or streak.ended or before.failures or before.ended)


def _streaks(connection: Connection, policy: str) -> dict[str, Streak]:
    rows = connection.execute(select(*_COLUMNS).where(StreakRow.policy == policy)).mappings()
    return {row["target"]: restore(Streak, dict(row), f"the streak of {row['target']}") for row in rows}
