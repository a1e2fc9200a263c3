"""Zeros that history does not know (``zero_guard: history``), and how they become known in the end.

Only what passed is remembered, so a zero that is doubted would be doubted for ever. What tells honest zeros from an
outage is that they recur: zeros that came :data:`ENOUGH_OCCASIONS` times, each time with values after them, over at
least ``history_for``, and never longer apart than twice that, are believed from then on, as long in a row as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from setpoint.model import MetricBatch, SeriesHistory, SeriesQuality
from setpoint.model.history import ZeroDoubt
from setpoint.quality.past import usable

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy

ENOUGH_OCCASIONS = 3
"""Times that zeros come before they are no accident."""
_APART = 2
"""Doubts further apart than so many times ``history_for`` have nothing to do with each other."""


def doubted_histories(
    summary: pd.DataFrame,
    series: Iterable[SeriesQuality],
    batch: MetricBatch,
    policy: Policy,
    history: Iterable[SeriesHistory],
) -> tuple[SeriesHistory, ...]:
    """The histories of the series that broke nothing but the zero guard, with what they say of their zeros.

    Nothing else of such a batch is remembered, and nothing of one whose newest point is a zero: that may be an outage.
    """
    doubted = [
        (number, (one.target, one.metric))
        for number, one in enumerate(series)
        if policy.quality_of(one.metric).zero_guard == "history"
        and [check.expectation for check in one.broken] == ["zero_guard"]
    ]
    if not doubted:
        return ()
    known = usable(batch, policy, history)
    trailing, runs = summary["trailing_zeros"].to_numpy(), summary["zero_run"].to_numpy()
    return tuple(
        _noted(known[key], int(runs[number]), batch, policy)
        for number, key in doubted
        if key in known and not trailing[number]
    )


def _noted(before: SeriesHistory, run: int, batch: MetricBatch, policy: Policy) -> SeriesHistory:
    now, span = batch.pulled_at, policy.quality_of(before.metric).history_for
    doubt = before.zero_doubt
    if doubt is None or now - doubt.last > _APART * span:
        return before.model_copy(update={"zero_doubt": ZeroDoubt(since=now, last=now, occasions=1, run=run)})
    # The same zeros are seen until they have left the window.
    another = now - doubt.last > batch.window.end - batch.window.start
    doubt = ZeroDoubt(
        since=doubt.since,
        last=now if another else doubt.last,
        occasions=doubt.occasions + another,
        run=max(doubt.run, run),
    )
    if doubt.occasions < ENOUGH_OCCASIONS or now - doubt.since < span:
        return before.model_copy(update={"zero_doubt": doubt})
    zero_run = max(doubt.run, before.zero_run or 0)
    return before.model_copy(update={"zeros": max(before.zeros, 1), "zero_run": zero_run, "zero_doubt": None})
