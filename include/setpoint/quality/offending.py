"""Which points broke a check: their times, so that a person, or a picture, can find them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from setpoint.model.quality import MOST_OFFENDING
from setpoint.quality.codes import code_points, negative_points
from setpoint.quality.values import wild_points
from setpoint.quality.words import Row
from setpoint.signals.locate import NO_TIME, Booleans, Floats, Integers

if TYPE_CHECKING:
    from setpoint.policy.schema import QualityConfig

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Marks = Callable[[Integers, Floats, Row, "QualityConfig"], Booleans]


def offending(check: str, times: Integers, values: Floats, row: Row, quality: QualityConfig) -> tuple[datetime, ...]:
    """The times of the points of one series that broke a check, oldest first, at most :data:`MOST_OFFENDING`.

    Empty for a check that no single point breaks: a source's word, age, coverage, a level.

    :param times: microseconds since the Unix epoch, in the frame's order; ``NO_TIME`` without one.
    :param row: the series' row of the summary.
    """
    marks = _MARKS.get(check)
    if marks is None:
        return ()
    order = np.argsort(times, kind="stable") if check != "order" else np.arange(len(times))
    times, values = times[order], values[order]
    hit = times[marks(times, values, row, quality) & (times != NO_TIME)]
    return tuple(_EPOCH + timedelta(microseconds=int(one)) for one in np.unique(hit)[:MOST_OFFENDING])


def _out_of_order(times: Integers, values: Floats, row: Row, quality: QualityConfig) -> Booleans:
    timed = np.flatnonzero(times != NO_TIME)
    marks = np.zeros(len(times), dtype=np.bool_)
    marks[timed[1:][np.diff(times[timed]) < 0]] = True
    return marks


def _places(times: Integers, row: Row) -> Integers:
    return np.asarray((times - int(row["start_us"])) // (int(row["period_seconds"]) * 1_000_000))


def _duplicates(times: Integers, values: Floats, row: Row, quality: QualityConfig) -> Booleans:
    places = _places(times, row)
    marks = np.zeros(len(times), dtype=np.bool_)
    inside = (places >= 0) & (places < row["expected"]) & (times != NO_TIME)
    marks[1:] = (places[1:] == places[:-1]) & inside[1:]
    return marks


def _latest(row: Row) -> int:
    return int(row["future_us"])


def _beyond(times: Integers, values: Floats, row: Row, quality: QualityConfig) -> Booleans:
    low, high = quality.between or (-np.inf, np.inf)
    return np.isfinite(values) & ((values < low) | (values > high))


def _wild(times: Integers, values: Floats, row: Row, quality: QualityConfig) -> Booleans:
    there = np.isfinite(values) & (times != NO_TIME)
    limit = quality.max_spike or np.inf
    usual = (np.array([one]) for one in (row["median"], row["spread"], limit, row["median_before"]))
    believed = np.where(_codes(times, values, row, quality), np.nan, values)[there]
    marks = np.zeros(len(times), dtype=np.bool_)
    marks[there] = wild_points(believed[None, :], *usual)[0]
    return marks


def _codes(times: Integers, values: Floats, row: Row, quality: QualityConfig) -> Booleans:
    there = np.isfinite(values) & (times != NO_TIME)
    marks = np.zeros(len(times), dtype=np.bool_)
    marks[there] = code_points(
        values[there][None, :],
        low=np.array([row["low"]]),
        high=np.array([row["high"]]),
        own=np.array([quality.own_codes], dtype=np.float64),
        usual=np.array([quality.error_codes is not False]),
        largest_before=np.array([row["largest_before"]]),
    )[0]
    return marks


def _negative(times: Integers, values: Floats, row: Row, quality: QualityConfig) -> Booleans:
    believed = np.where(np.isfinite(values) & (times != NO_TIME), values, np.nan)
    return np.asarray(negative_points(believed[None, :], np.array([row["floor"]]))[0])


def _newest(count: int, times: Integers, values: Floats) -> Booleans:
    marks = np.zeros(len(times), dtype=np.bool_)
    there = np.flatnonzero(np.isfinite(values) & (times != NO_TIME))
    marks[there[len(there) - count :]] = True
    return marks


_MARKS: Mapping[str, _Marks] = {
    "order": _out_of_order,
    "duplicates": _duplicates,
    "nulls": lambda times, values, row, quality: np.isnan(values),
    "finite": lambda times, values, row, quality: np.isinf(values),
    "window": lambda times, values, row, quality: _places(times, row) < 0,
    "settle": lambda times, values, row, quality: (_places(times, row) >= row["expected"]) & (times <= _latest(row)),
    "future": lambda times, values, row, quality: times > _latest(row),
    "range": _beyond,
    "sign": _negative,
    "codes": _codes,
    "zero_guard": lambda times, values, row, quality: values == 0,
    "newest_spike": lambda times, values, row, quality: _newest(1, times, values),
    "spikes": _wild,
    "stuck": lambda times, values, row, quality: _newest(int(row["standing_judged"]), times, values),
}
