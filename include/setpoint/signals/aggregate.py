"""Signals: every aggregate a policy names, for the whole fleet at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from setpoint.model import MetricBatch, Signal
from setpoint.signals.locate import (
    NOWHERE,
    Key,
    Periods,
    microseconds,
    oldest_first,
    row_series,
    row_slots,
    row_times,
)
from setpoint.signals.reduce import Floats, aggregate_rows, number

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

Pair = tuple[str, str]
"""A metric and an aggregate."""


def wanted_pairs(policy: Policy) -> tuple[Pair, ...]:
    """The (metric, aggregate) pairs a policy reads: its strategy's first, then those of its guards and health limits."""
    healthy = ((metric, limit.aggregate) for metric, limit in policy.feedback.healthy.items())
    return tuple(dict.fromkeys((*policy.scale.signals_wanted(), *policy.guards.signals_wanted(), *healthy)))


def aggregate(frame: pd.DataFrame, batch: MetricBatch, policy: Policy) -> tuple[Signal, ...]:
    """The signals of every target the batch was asked for, in the batch's order of targets, then of ``wanted_pairs``.

    A value that is not finite counts as missing. Points outside the metric's window do not count. Where several points
    share a period the newest of them counts (the gate has failed such a series already).

    :param frame: the batch's long form, columns ``FRAME_COLUMNS``; may be empty.
    :param batch: the reference, for what was asked and when.
    """
    targets = tuple(dict.fromkeys(one.target for one in batch.series))
    pairs = wanted_pairs(policy)
    metrics = tuple(dict.fromkeys(metric for metric, _ in pairs))
    periods = {name: periods_of(policy, name, batch) for name in metrics}
    grids = dict(_grids(frame, targets, periods, batch))
    values = {(metric, how): aggregate_rows(grids[metric].points, how) for metric, how in pairs}
    return tuple(
        grids[metric].signal(row, target, metric, how, values[metric, how])
        for row, target in enumerate(targets)
        for metric, how in pairs
    )


def window_aggregates(
    frame: pd.DataFrame, pairs: Sequence[Pair], targets: Sequence[str]
) -> dict[tuple[str, str, str], tuple[float | None, int]]:
    """Aggregate all points of a frame, whatever their period: the health before a change, or after it.

    :param frame: the long form, cut to the span of interest.
    :param pairs: the (metric, aggregate) pairs wanted.
    :param targets: the targets wanted.
    :returns: for each (target, metric, aggregate) the value and the number of points behind it; ``(None, 0)`` when
        there are none. A value that is not finite counts as missing.
    """
    metrics = tuple(dict.fromkeys(metric for metric, _ in pairs))
    keys = [(target, metric) for metric in metrics for target in targets]
    finite = frame.iloc[oldest_first(frame)]
    series = pd.Series(row_series(finite, keys))
    position = series.groupby(series).cumcount().to_numpy()
    matrix = np.full((len(keys), position.max(initial=-1) + 1), np.nan)
    known = series.to_numpy() != NOWHERE
    matrix[series.to_numpy()[known], position[known]] = finite["value"].to_numpy()[known]
    counts = np.isfinite(matrix).sum(axis=1)
    rows: dict[Key, int] = {key: row for row, key in enumerate(keys)}
    values = {how: aggregate_rows(matrix, how) for how in dict.fromkeys(how for _, how in pairs)}
    return {
        (target, metric, how): (number(values[how][rows[target, metric]]), int(counts[rows[target, metric]]))
        for target in targets
        for metric, how in pairs
    }


def periods_of(policy: Policy, metric: str, batch: MetricBatch) -> Periods:
    """The periods a metric's series has in a batch."""
    config = policy.metrics[metric]
    return Periods(config.window_at(batch.pulled_at), config.period_seconds, config.expected_points)


class _Grid:
    """One metric of the fleet: a row for each target, a column for each period, NaN where there is no point."""

    def __init__(self, points: Floats, ages: Floats) -> None:
        self.points = points
        there = np.isfinite(points)
        # Plain Python numbers for the whole fleet at once; a missing point never becomes one.
        rows = points.astype(np.object_)
        rows[~there] = None
        self._rows: list[list[float | None]] = rows.tolist()
        self._ages = [number(age) for age in ages.tolist()]
        self._samples: list[int] = there.sum(axis=1).tolist()

    def signal(self, row: int, target: str, metric: str, how: str, values: Floats) -> Signal:
        samples = self._samples[row]
        return Signal(
            target=target,
            metric=metric,
            aggregate=how,
            value=number(values[row]),
            points=tuple(self._rows[row]),
            samples=samples,
            coverage=samples / self.points.shape[1],
            age_seconds=self._ages[row],
        )


def _grids(
    frame: pd.DataFrame, targets: Sequence[str], periods: dict[str, Periods], batch: MetricBatch
) -> Iterator[tuple[str, _Grid]]:
    keys = [(target, metric) for metric in periods for target in targets]
    order = oldest_first(frame)
    times, values = row_times(frame)[order], frame["value"].to_numpy()[order]
    series = row_series(frame, keys)[order]
    slots = row_slots(times, series, keys, periods)
    for place, (metric, span) in enumerate(periods.items()):
        first = place * len(targets)
        mine = (series >= first) & (series < first + len(targets))
        points = np.full((len(targets), span.count), np.nan)
        inside = mine & (slots != NOWHERE)
        points[series[inside] - first, slots[inside]] = values[inside]
        newest = np.full(len(targets), np.nan)
        newest[series[mine] - first] = times[mine]
        yield metric, _Grid(points, (microseconds(batch.pulled_at) - newest) / 1e6)
