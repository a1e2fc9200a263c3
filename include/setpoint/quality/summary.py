"""A batch reduced to one row for every series: the numbers the expectations judge. Pure pandas and numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from setpoint.model import Completeness, MetricBatch, SeriesHistory
from setpoint.quality.limits import ByMetric, Limits, limits_of
from setpoint.quality.memory import past_columns
from setpoint.quality.past import Past
from setpoint.quality.timing import timing_of
from setpoint.quality.values import spread_of
from setpoint.signals.locate import NO_TIME, Block, Key, SeriesRows, microseconds

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

_COUNTS = (
    "finite", "infinite", "nulls", "out_of_order", "outside", "unsettled", "future", "duplicates", "filled",
    "longest_gap", "inner_gap", "beyond", "negatives", "codes", "zeros", "lone_zeros", "trailing_zeros", "zero_run",
    "standing", "longest_run", "wild",
)  # fmt: skip
_NUMBERS = ("minimum", "maximum", "median", "spread", "newest_times", "newest", "newest_us")


def keys_of(batch: MetricBatch) -> list[Key]:
    """The series a batch was asked for, in its order."""
    return [(one.target, one.metric) for one in batch.series]


def summarise(
    frame: pd.DataFrame,
    batch: MetricBatch,
    policy: Policy,
    history: Iterable[SeriesHistory] = (),
    rows: SeriesRows | None = None,
) -> pd.DataFrame:
    """One row for each series the batch was asked for, in the batch's order.

    A *point* is a row of the frame; one that is null or infinite counts as missing wherever points count as data. A
    *period* is filled when a finite point lies in it.

    - ``target``, ``metric``; ``source`` (the source's word), ``announced`` (the points it said it gave), ``messages``;
      ``untold`` (1 when the source called its answer incomplete or gave other points than announced, else 0);
    - ``points``, ``finite``, ``infinite``, ``nulls`` (without a value or a time), ``null_share``, ``duplicates`` (in a
      period that has one already), ``out_of_order`` (older than the point before), ``future`` (more than one period
      later than the pull), ``unsettled`` (after the window's end), ``outside`` (before the window);
    - ``age_seconds`` of the newest finite point at the pull (infinite without one);
    - ``start_us`` of the window, ``future_us`` (a later point is from the future), both in microseconds since the Unix
      epoch; ``period_seconds``, ``filled`` and ``expected`` periods, ``coverage``, ``min_coverage``, ``gap_seconds``
      (the longest time without a point between two points), ``longest_gap`` (periods in a row without a point, the
      window's ends included);
    - ``minimum``, ``maximum``, ``median``, ``spread`` (1.4826 times the median absolute deviation), ``newest`` (all NaN
      without a point), ``low`` and ``high`` (the ends of ``between``), ``beyond`` (points outside);
    - ``negatives`` (points below zero where there are none), ``codes`` (points that are an error code);
    - ``zeros``, ``lone_zeros`` (the zeros, when each may be a count of nothing, else 0), ``trailing_zeros`` (newest
      points in a row that are zero), ``zero_run`` (most zeros in a row), ``standing`` (newest points in a row with the
      very same value), ``longest_run`` (most points in a row with one value), ``newest_times`` (how far the newest
      point alone stands out), ``wild`` (points that stand out as no measurement does);
    - what the past makes of it: see :func:`setpoint.quality.memory.past_columns`.

    :param frame: the long form, of the right columns and types; may be empty.
    :param batch: the reference; ``batch.pulled_at`` is the moment ages are taken at.
    :param history: what is remembered of the series; of those without, nothing is.
    :param rows: the frame taken apart, when that was done already.
    """
    rows = SeriesRows(frame, keys_of(batch)) if rows is None else rows
    by_metric = ByMetric(batch)
    table = _asked(batch, policy, by_metric)
    past = Past(batch, policy, history)
    limits = limits_of(batch, policy, by_metric, past)
    table |= {name: getattr(limits, name) for name in ("start_us", "future_us", "low", "high", "floor")}
    table |= _measured(rows, limits)
    table["points"] = rows.counts
    told = (table["source"] == Completeness.COMPLETE.value) & (table["announced"] == table["points"])
    table["untold"] = (~told).astype(np.int64)
    table["null_share"] = table["nulls"] / np.maximum(table["points"], 1)
    table["age_seconds"] = (microseconds(batch.pulled_at) - table.pop("newest_us")) / 1e6
    table["coverage"] = table["filled"] / table["expected"]
    table["gap_seconds"] = table["inner_gap"] * table["period_seconds"]
    table |= past_columns(table, past, policy, by_metric)
    return pd.DataFrame(table)


def _asked(batch: MetricBatch, policy: Policy, by_metric: ByMetric) -> dict[str, Any]:
    series = batch.series
    return {
        "target": np.array([one.target for one in series], dtype=np.object_),
        "metric": np.array([one.metric for one in series], dtype=np.object_),
        "source": np.array([one.status.value for one in series], dtype=np.object_),
        "announced": np.array([one.points for one in series], dtype=np.int64),
        "messages": [one.messages for one in series],
        "period_seconds": np.array([one.period_seconds for one in series], dtype=np.int64),
        "min_coverage": by_metric.each(lambda metric: policy.quality_of(metric).min_coverage, np.float64),
        "expected": by_metric.each(lambda metric: policy.metrics[metric].expected_points, np.int64),
    }


def _measured(rows: SeriesRows, limits: Limits) -> dict[str, Any]:
    count = len(rows.counts)
    table: dict[str, Any] = {name: np.zeros(count, dtype=np.int64) for name in _COUNTS}
    table |= {name: np.full(count, np.nan) for name in _NUMBERS}
    # What a series without a row has.
    table["longest_gap"][:] = limits.expected
    table["newest_times"][:] = 1.0
    table["newest_us"][:] = -np.inf
    for block in rows.blocks():
        for name, values in _of_block(block, limits.of(block.series)).items():
            table[name][block.series] = values
    return table


def _of_block(block: Block, limits: Limits) -> Mapping[str, Any]:
    timed = block.times != NO_TIME
    finite = np.isfinite(block.values) & timed
    nulls, infinite = np.zeros_like(block.counts), np.zeros_like(block.counts)
    if not finite.all():
        infinite = np.isinf(block.values).sum(axis=1)
        number = np.isnan(block.values) | ~timed
        nulls = number.sum(axis=1) - (block.times.shape[1] - block.counts)
    newest = np.where(finite, block.times, NO_TIME).max(axis=1)
    return {
        "finite": finite.sum(axis=1),
        "infinite": infinite,
        "nulls": nulls,
        "newest_us": np.where(newest == NO_TIME, -np.inf, newest.astype(np.float64)),
        **vars(timing_of(block, finite, limits)),
        **vars(spread_of(block, finite, limits)),
    }
