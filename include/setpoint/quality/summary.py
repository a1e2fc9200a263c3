"""A batch reduced to one row for every series: the numbers the expectations judge. Pure pandas and numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from setpoint.model import Completeness, MetricBatch, SeriesStatus
from setpoint.signals.aggregate import periods_of
from setpoint.signals.locate import NOWHERE, Integers, microseconds, row_series, row_slots, row_times

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

_US = 1e6


@dataclass(frozen=True)
class Strangers:
    """Rows of the frame that belong to no series asked for."""

    rows: int
    examples: tuple[str, ...]


def summarise(frame: pd.DataFrame, batch: MetricBatch, policy: Policy) -> pd.DataFrame:
    """One row for each series the batch was asked for, in the batch's order.

    A *point* is a row of the frame; one that is null or infinite counts as missing wherever points count as data. A
    *period* is filled when a finite point lies in it.

    - ``target``, ``metric``; ``source`` (the source's word), ``announced`` (the points it said it gave), ``messages``;
      ``untold`` (1 when the source called its answer incomplete or gave other points than announced, else 0);
    - ``points``, ``finite``, ``infinite``, ``nulls`` (without a value or a time), ``duplicates`` (in a period that has
      one already), ``out_of_order`` (older than the point before), ``future`` (more than one period later than the
      pull), ``outside`` (elsewhere outside the window);
    - ``age_seconds`` of the newest finite point at the pull (infinite without one), ``max_age_seconds``;
    - ``period_seconds``, ``filled`` and ``expected`` periods, ``coverage``, ``min_coverage``, ``full_coverage``,
      ``longest_gap`` (periods in a row without a point);
    - ``minimum``, ``maximum`` (NaN without a point), ``low``, ``high`` (the policy's ``between``, infinite without
      one), ``beyond`` (points outside it);
    - ``zeros``, ``trailing_zeros`` (newest points in a row that are zero), ``zero_guard``, ``guarded_zeros`` (``zeros``
      where the policy guards against them, else 0).

    :param frame: the long form, of the right columns and types; may be empty.
    :param batch: the reference; ``batch.pulled_at`` is the moment ages are taken at.
    """
    keys = [(one.target, one.metric) for one in batch.series]
    metrics = dict.fromkeys(metric for _, metric in keys)
    periods = {metric: periods_of(policy, metric, batch) for metric in metrics}
    series = row_series(frame, keys)
    times = row_times(frame)
    rows = _Rows(
        count=len(keys),
        series=series,
        times=times,
        values=frame["value"].to_numpy(dtype=np.float64),
        slots=row_slots(times, series, keys, periods),
        timed=frame["timestamp"].notna().to_numpy(),
    )
    table = _limits(batch.series, policy)
    period_us = np.array([periods[metric].seconds * 1_000_000 for _, metric in keys], dtype=np.int64)
    _count_points(table, rows, microseconds(batch.pulled_at), period_us)
    _measure_time(table, rows, microseconds(batch.pulled_at))
    _measure_values(table, rows)
    return table


def strangers(frame: pd.DataFrame, batch: MetricBatch) -> Strangers:
    """The rows of targets or metrics that nobody asked for, with up to three examples by name."""
    series = row_series(frame, [(one.target, one.metric) for one in batch.series])
    strange = frame.loc[series == NOWHERE, ["target", "metric"]]
    examples = strange.drop_duplicates().head(3)
    return Strangers(
        len(strange), tuple(f"{metric} of {target!r}" for target, metric in examples.itertuples(index=False))
    )


@dataclass(frozen=True)
class _Periods:
    """Distinct periods, in order: the series and the number of each, and how many each series has."""

    series: Integers
    slots: Integers
    count: Integers


@dataclass(frozen=True)
class _Rows:
    """The frame's rows as arrays, in the frame's own order, and how to count them by series."""

    count: int
    series: Integers
    times: Integers
    values: npt.NDArray[np.float64]
    slots: Integers
    timed: npt.NDArray[np.bool_]

    def tally(self, mask: npt.NDArray[np.bool_]) -> Integers:
        """How many rows of each series a mask picks."""
        return np.bincount(self.series[mask & (self.series != NOWHERE)], minlength=self.count)

    def periods(self, mask: npt.NDArray[np.bool_]) -> _Periods:
        """The periods in which the rows a mask picks lie, each once."""
        inside = mask & (self.slots != NOWHERE)
        width = self.slots.max(initial=0) + 1
        # Sorted and compared: np.unique hashes integers, which takes fifty times as long here.
        numbers = np.sort(self.series[inside] * width + self.slots[inside])
        first = np.diff(numbers, prepend=NOWHERE) != 0
        series, slots = np.divmod(numbers[first], width)
        return _Periods(series, slots, np.bincount(series, minlength=self.count))

    @property
    def finite(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.values) & self.timed


def _limits(series: Sequence[SeriesStatus], policy: Policy) -> pd.DataFrame:
    quality = {metric: policy.quality_of(metric) for metric in {one.metric for one in series}}
    between = {name: config.between or (-np.inf, np.inf) for name, config in quality.items()}
    return pd.DataFrame(
        {
            "target": [one.target for one in series],
            "metric": [one.metric for one in series],
            "source": [one.status.value for one in series],
            "announced": np.array([one.points for one in series], dtype=np.int64),
            "messages": [one.messages for one in series],
            "period_seconds": np.array([one.period_seconds for one in series], dtype=np.int64),
            "expected": np.array([policy.metrics[one.metric].expected_points for one in series], dtype=np.int64),
            "max_age_seconds": np.array(
                [policy.max_age_of(one.metric).total_seconds() for one in series], dtype=np.float64
            ),
            "min_coverage": np.array([quality[one.metric].min_coverage for one in series], dtype=np.float64),
            "full_coverage": np.array([quality[one.metric].full_coverage for one in series], dtype=np.float64),
            "low": np.array([between[one.metric][0] for one in series], dtype=np.float64),
            "high": np.array([between[one.metric][1] for one in series], dtype=np.float64),
            "zero_guard": np.array([quality[one.metric].zero_guard for one in series], dtype=np.bool_),
        }
    )


def _count_points(table: pd.DataFrame, rows: _Rows, pulled_at: int, period_us: Integers) -> None:
    # One more period at the end, for NOWHERE.
    latest = np.append(pulled_at + period_us, 0)[rows.series]
    future = rows.timed & (rows.times > latest)
    table["points"] = rows.tally(np.ones(len(rows.series), dtype=np.bool_))
    told = (table["source"] == Completeness.COMPLETE.value) & (table["announced"] == table["points"])
    table["untold"] = (~told).astype(np.int64)
    table["nulls"] = rows.tally(np.isnan(rows.values) | ~rows.timed)
    table["infinite"] = rows.tally(np.isinf(rows.values))
    table["future"] = rows.tally(future)
    table["outside"] = rows.tally(rows.timed & (rows.slots == NOWHERE) & ~future)
    table["out_of_order"] = _out_of_order(rows)
    table["duplicates"] = rows.tally(rows.timed & (rows.slots != NOWHERE)) - rows.periods(rows.timed).count


def _out_of_order(rows: _Rows) -> Integers:
    """Rows older than the row of the same series right before them."""
    known = rows.timed & (rows.series != NOWHERE)
    order = np.argsort(rows.series[known], kind="stable")
    series, times = rows.series[known][order], rows.times[known][order]
    back = (np.diff(times) < 0) & (np.diff(series) == 0)
    return np.bincount(series[1:][back], minlength=rows.count)


def _measure_time(table: pd.DataFrame, rows: _Rows, pulled_at: int) -> None:
    finite = rows.finite & (rows.series != NOWHERE)
    newest = np.full(rows.count, -np.inf)
    np.maximum.at(newest, rows.series[finite], rows.times[finite].astype(np.float64))
    table["age_seconds"] = (pulled_at - newest) / _US
    filled = rows.periods(finite)
    table["filled"] = filled.count
    table["coverage"] = table["filled"] / table["expected"]
    table["longest_gap"] = _longest_gap(filled, table["expected"].to_numpy())


def _longest_gap(filled: _Periods, expected: Integers) -> Integers:
    """The most periods in a row without a point, the window's two ends included."""
    numbers = np.arange(len(expected), dtype=np.int64)
    # A period before the first and one after the last count as filled: what lies between two filled ones is a gap.
    series = np.concatenate([numbers, filled.series, numbers])
    slots = np.concatenate([np.full(len(expected), -1), filled.slots, expected])
    order = np.lexsort((slots, series))
    series, slots = series[order], slots[order]
    same = np.diff(series) == 0
    longest = np.zeros(len(expected), dtype=np.int64)
    np.maximum.at(longest, series[1:][same], np.diff(slots)[same] - 1)
    return longest


def _measure_values(table: pd.DataFrame, rows: _Rows) -> None:
    finite = rows.finite & (rows.series != NOWHERE)
    series, values = rows.series[finite], rows.values[finite]
    lowest, highest = np.full(rows.count, np.inf), np.full(rows.count, -np.inf)
    np.minimum.at(lowest, series, values)
    np.maximum.at(highest, series, values)
    table["minimum"] = np.where(np.isfinite(lowest), lowest, np.nan)
    table["maximum"] = np.where(np.isfinite(highest), highest, np.nan)
    beyond = (values < table["low"].to_numpy()[series]) | (values > table["high"].to_numpy()[series])
    table["beyond"] = np.bincount(series[beyond], minlength=rows.count)
    table["zeros"] = np.bincount(series[values == 0], minlength=rows.count)
    table["finite"] = np.bincount(series, minlength=rows.count)
    table["trailing_zeros"] = _trailing_zeros(series, rows.times[finite], values, rows.count)
    table["guarded_zeros"] = np.where(table["zero_guard"], table["zeros"], 0)


def _trailing_zeros(series: Integers, times: Integers, values: npt.NDArray[np.float64], count: int) -> Integers:
    """The newest points in a row that are zero."""
    later = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(later, series[values != 0], times[values != 0])
    return np.bincount(series[(values == 0) & (times > later[series])], minlength=count)
