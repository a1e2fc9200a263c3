"""Which series and which period each row of a long frame belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from setpoint.model import Window

Integers = npt.NDArray[np.int64]
Key = tuple[str, str]
"""A target and a metric."""

NOWHERE = -1


@dataclass(frozen=True)
class Periods:
    """The periods of one metric's window, numbered from 0 at the oldest."""

    window: Window
    seconds: int
    count: int


def microseconds(moment: datetime) -> int:
    """A moment as microseconds since the Unix epoch."""
    return round(moment.timestamp() * 1e6)


def oldest_first(frame: pd.DataFrame) -> Integers:
    """The numbers of the rows with a time and a finite value, oldest first. Cheaper than sorting a fleet's frame."""
    there = np.flatnonzero(np.isfinite(frame["value"].to_numpy()) & frame["timestamp"].notna().to_numpy())
    return np.asarray(there[np.argsort(row_times(frame)[there], kind="stable")])


def row_times(frame: pd.DataFrame) -> Integers:
    """Each row's time in microseconds since the Unix epoch; the lowest number there is for a row without a time."""
    stamps = frame["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(stamps.to_numpy(dtype="datetime64[us]").view(np.int64))


def row_series(frame: pd.DataFrame, series: Sequence[Key]) -> Integers:
    """Each row's series, as its number in ``series``; ``NOWHERE`` for a row that belongs to none of them."""
    targets = {name: number for number, name in enumerate(dict.fromkeys(target for target, _ in series))}
    metrics = {name: number for number, name in enumerate(dict.fromkeys(metric for _, metric in series))}
    # One row and one column more than there are names: that is where NOWHERE (the last index) leads.
    numbers = np.full((len(targets) + 1, len(metrics) + 1), NOWHERE, dtype=np.int64)
    for number, (target, metric) in enumerate(series):
        numbers[targets[target], metrics[metric]] = number
    return numbers[_codes(frame["target"], targets), _codes(frame["metric"], metrics)]


def row_slots(times: Integers, series: Integers, keys: Sequence[Key], periods: Mapping[str, Periods]) -> Integers:
    """Each row's period within its metric's window; ``NOWHERE`` outside it, and for a row of no series."""
    of_series = [periods[metric] for _, metric in keys]
    # One more at the end, for NOWHERE: a window without a period.
    starts = np.array([microseconds(one.window.start) for one in of_series] + [0], dtype=np.int64)
    lengths = np.array([one.seconds * 1_000_000 for one in of_series] + [1], dtype=np.int64)
    counts = np.array([one.count for one in of_series] + [0], dtype=np.int64)
    slots = (times - starts[series]) // lengths[series]
    return np.where((slots >= 0) & (slots < counts[series]), slots, NOWHERE)


def _codes(names: pd.Series[str], numbers: Mapping[str, int]) -> Integers:
    found, distinct = pd.factorize(names)
    known = np.array([*(numbers.get(name, NOWHERE) for name in distinct), NOWHERE], dtype=np.int64)
    return known[found]
