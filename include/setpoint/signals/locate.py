"""Which rows of a long frame belong to which series, and how they look as a table of series and points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import as_strided

from setpoint.model import Window
from setpoint.signals.runs import Runs, runs_of

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Key = tuple[str, str]
"""A target and a metric."""

NOWHERE = -1
NO_TIME = np.iinfo(np.int64).min
"""The time of a row without one."""
_CELLS_AT_ONCE = 1 << 17
"""A block is small enough to stay in a processor's cache while one look after the other is taken at it."""


@dataclass(frozen=True)
class Periods:
    """The periods of one metric's window, numbered from 0 at the oldest."""

    window: Window
    seconds: int
    count: int


@dataclass(frozen=True)
class Block:
    """Some series of about the same length, a row for each, points in the frame's order from the left."""

    series: Integers
    """The numbers of the series, shape (n,)."""
    counts: Integers
    """Points of each, at least one, shape (n,); what stands right of them is no point."""
    times: Integers
    """Microseconds since the Unix epoch, shape (n, points of the longest); ``NO_TIME`` where there is none."""
    values: Floats
    """NaN where there is none."""

    @property
    def even(self) -> bool:
        """All series have the same number of points."""
        return bool(self.counts[0] == self.counts[-1])


class SeriesRows:
    """A frame taken apart into series, row by row where it must be and run by run where that will do.

    :param frame: the long form, columns ``FRAME_COLUMNS``; may be empty.
    :param keys: the series asked for, in the order they are numbered.
    """

    def __init__(self, frame: pd.DataFrame, keys: Sequence[Key]) -> None:
        # Contiguous, because blocks of series are views of them.
        self._times = np.ascontiguousarray(row_times(frame))
        self._values = np.ascontiguousarray(frame["value"].to_numpy(dtype=np.float64))
        starts, numbers = _numbered_runs(frame, keys)
        lengths = np.diff(np.append(starts, len(frame)))
        self.counts = np.zeros(len(keys), dtype=np.int64)
        """Rows of each series, shape (keys,)."""
        np.add.at(self.counts, numbers[numbers != NOWHERE], lengths[numbers != NOWHERE])
        self.strangers: Integers = _rows_of(starts[numbers == NOWHERE], lengths[numbers == NOWHERE])
        """The rows that belong to no series asked for."""
        self._order: Integers | None = None
        self._starts = np.zeros(len(keys), dtype=np.int64)
        if np.bincount(numbers[numbers != NOWHERE], minlength=1).max() <= 1:
            self._starts[numbers[numbers != NOWHERE]] = starts[numbers != NOWHERE]
        else:
            self._order = _in_order(np.repeat(numbers, lengths), len(keys))
            self._starts[1:] = np.cumsum(self.counts)[:-1]

    def rows(self, number: int) -> Integers:
        """The rows of one series, in the frame's order."""
        places = self._starts[number] + np.arange(self.counts[number])
        return np.asarray(places if self._order is None else self._order[places])

    def series(self, number: int) -> tuple[Integers, Floats]:
        """The times and values of one series, in the frame's order."""
        rows = self.rows(number)
        return self._times[rows], self._values[rows]

    def blocks(self, wanted: Integers | None = None) -> Iterator[Block]:
        """The series that have points, in blocks; each in exactly one.

        :param wanted: the numbers of the series wanted; all when left out.
        """
        numbers = np.arange(len(self.counts)) if wanted is None else wanted
        numbers = numbers[self.counts[numbers] > 0]
        numbers = numbers[np.argsort(self.counts[numbers], kind="stable")]
        sizes = self.counts[numbers]
        first = 0
        while first < len(numbers):
            # Not much longer than the shortest, so that a block is points and not padding.
            longest = int(sizes[first]) * 9 // 8
            after = int(np.searchsorted(sizes, longest, side="right"))
            last = min(after, first + max(1, _CELLS_AT_ONCE // longest))
            yield self._block(numbers[first:last])
            first = last

    def _block(self, numbers: Integers) -> Block:
        counts, starts = self.counts[numbers], self._starts[numbers]
        longest = int(counts[-1])
        if counts[0] == longest and self._order is None and _evenly(starts):
            view = self._view(
                int(starts[0]), int(starts[1] - starts[0]) if len(starts) > 1 else 0, len(starts), longest
            )
            return Block(numbers, counts, *view)
        steps = np.arange(longest)
        padding = steps >= counts[:, None]
        places = np.where(padding, 0, starts[:, None] + steps)
        rows = places if self._order is None else self._order[places]
        times, values = self._times[rows], self._values[rows]
        times[padding], values[padding] = NO_TIME, np.nan
        return Block(numbers, counts, times, values)

    def _view(self, start: int, step: int, series: int, points: int) -> tuple[Integers, Floats]:
        """Series of the same length that lie evenly in the frame, without a copy."""
        shape, strides = (series, points), (step * 8, 8)
        return (
            as_strided(self._times[start:], shape, strides, writeable=False),
            as_strided(self._values[start:], shape, strides, writeable=False),
        )


def microseconds(moment: datetime) -> int:
    """A moment as microseconds since the Unix epoch."""
    return round(moment.timestamp() * 1e6)


def row_times(frame: pd.DataFrame) -> Integers:
    """Each row's time in microseconds since the Unix epoch; ``NO_TIME`` for a row without one."""
    index = pd.DatetimeIndex(frame["timestamp"])
    # A frame of another resolution is another source's; pandas keeps NaT as the lowest number in all of them.
    return np.asarray((index if index.unit == "us" else index.as_unit("us")).asi8)


def _evenly(starts: Integers) -> bool:
    steps = np.diff(starts)
    return bool((steps > 0).all() and (steps == steps[:1]).all())


def _numbered_runs(frame: pd.DataFrame, keys: Sequence[Key]) -> tuple[Integers, Integers]:
    """The first row of every run of rows of one series, and the series' number; ``NOWHERE`` for one not asked for."""
    targets, metrics = runs_of(frame["target"]), runs_of(frame["metric"])
    starts = np.union1d(targets.starts, metrics.starts)
    target_numbers = {name: number for number, name in enumerate(dict.fromkeys(target for target, _ in keys))}
    metric_numbers = {name: number for number, name in enumerate(dict.fromkeys(metric for _, metric in keys))}
    # One row and one column more than there are names: that is where NOWHERE (the last index) leads.
    numbers = np.full((len(target_numbers) + 1, len(metric_numbers) + 1), NOWHERE, dtype=np.int64)
    for number, (target, metric) in enumerate(keys):
        numbers[target_numbers[target], metric_numbers[metric]] = number
    return starts, numbers[_codes(targets, target_numbers, starts), _codes(metrics, metric_numbers, starts)]


def _codes(runs: Runs, numbers: dict[str, int], starts: Integers) -> Integers:
    codes = np.array([NOWHERE if name is None else numbers.get(name, NOWHERE) for name in runs.names], dtype=np.int64)
    return codes[np.searchsorted(runs.starts, starts, side="right") - 1]


def _rows_of(starts: Integers, lengths: Integers) -> Integers:
    if not len(starts):
        return np.empty(0, np.int64)
    return np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)])


def _in_order(numbers: Integers, count: int) -> Integers:
    """The rows by series, in the frame's order within each; those of no series at the end."""
    keys = np.where(numbers == NOWHERE, count, numbers)
    # Sixteen bits are sorted by radix, in time that grows with the rows alone.
    return np.argsort(keys.astype(np.uint16) if count < np.iinfo(np.uint16).max else keys, kind="stable")


def row_series(frame: pd.DataFrame, series: Sequence[Key]) -> Integers:
    """Each row's series, as its number in ``series``; ``NOWHERE`` for a row that belongs to none of them."""
    starts, numbers = _numbered_runs(frame, series)
    return np.repeat(numbers, np.diff(np.append(starts, len(frame))))


def row_slots(times: Integers, series: Integers, keys: Sequence[Key], periods: dict[str, Periods]) -> Integers:
    """Each row's period within its metric's window; ``NOWHERE`` outside it, and for a row of no series."""
    of_series = [periods[metric] for _, metric in keys]
    # One more at the end, for NOWHERE: a window without a period.
    starts = np.array([microseconds(one.window.start) for one in of_series] + [0], dtype=np.int64)
    lengths = np.array([one.seconds * 1_000_000 for one in of_series] + [1], dtype=np.int64)
    counts = np.array([one.count for one in of_series] + [0], dtype=np.int64)
    slots = (times - starts[series]) // lengths[series]
    return np.where((slots >= 0) & (slots < counts[series]), slots, NOWHERE)
