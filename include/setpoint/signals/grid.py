"""One metric of a fleet as a table of targets and periods, some targets at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from setpoint.signals.locate import NO_TIME, Block, Floats, Integers, Periods, SeriesRows, microseconds


@dataclass(frozen=True)
class Grid:
    """Some series of one metric: a row for each, a column for each period, NaN where there is no finite point."""

    series: Integers
    """The numbers of the series."""
    points: Floats
    newest: Floats
    """Microseconds since the Unix epoch of the newest finite point, wherever it lies; NaN without one."""


def grids(rows: SeriesRows, numbers: Integers, periods: Periods) -> Iterator[Grid]:
    """The series of one metric, each in one grid; a series without a row is in the last, with nothing."""
    for block in rows.blocks(numbers):
        yield _on_time(block, periods) or _placed(block, periods)
    silent = numbers[rows.counts[numbers] == 0]
    if len(silent):
        yield Grid(silent, np.full((len(silent), periods.count), np.nan), np.full(len(silent), np.nan))


def _on_time(block: Block, periods: Periods) -> Grid | None:
    """The block as it is, when it has one finite point in each period, in order: the common case, without a copy."""
    if not block.even or block.times.shape[1] != periods.count:
        return None
    start, step = microseconds(periods.window.start), periods.seconds * 1_000_000
    slots = start + step * np.arange(periods.count)
    if not ((block.times == slots).all() and np.isfinite(block.values).all()):
        return None
    return Grid(block.series, block.values, block.times[:, -1].astype(np.float64))


def _placed(block: Block, periods: Periods) -> Grid:
    there = np.isfinite(block.values) & (block.times != NO_TIME)
    slots = (block.times - microseconds(periods.window.start)) // (periods.seconds * 1_000_000)
    row, column = np.nonzero(there & (slots >= 0) & (slots < periods.count))
    # Oldest first, so that of several points in a period the newest is written last.
    order = np.argsort(block.times[row, column], kind="stable")
    row, column = row[order], column[order]
    points = np.full((len(block.series), periods.count), np.nan)
    points[row, slots[row, column]] = block.values[row, column]
    newest = np.where(there, block.times, NO_TIME).max(axis=1)
    return Grid(block.series, points, np.where(there.any(axis=1), newest.astype(np.float64), np.nan))
