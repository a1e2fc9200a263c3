"""Signals: every aggregate a policy names, for the whole fleet at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from setpoint.model import MetricBatch, Signal
from setpoint.signals.grid import Grid, grids
from setpoint.signals.locate import NO_TIME, Periods, SeriesRows, microseconds
from setpoint.signals.reduce import aggregate_rows, number

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

Pair = tuple[str, str]
"""A metric and an aggregate."""

MOST_POINTS = 1000
"""How many of its newest points a signal keeps; no rule looks at more (the ``M`` of ``N of M`` is at most that)."""


def wanted_pairs(policy: Policy) -> tuple[Pair, ...]:
    """The (metric, aggregate) pairs a policy reads: of its strategy first, then of its guards and health limits."""
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
    rows = SeriesRows(frame, [(target, metric) for metric in metrics for target in targets])
    found: dict[Pair, list[Signal]] = {}
    for place, metric in enumerate(metrics):
        ways = tuple(how for name, how in pairs if name == metric)
        mine = _Metric(targets, metric, ways, place * len(targets), microseconds(batch.pulled_at))
        numbers = np.arange(place * len(targets), (place + 1) * len(targets))
        signals = sorted(
            (one for grid in grids(rows, numbers, periods_of(policy, metric, batch)) for one in mine.signals(grid)),
            key=lambda numbered: numbered[0],
        )
        for order, how in enumerate(ways):
            found[metric, how] = [signal for _, signal in signals[order :: len(ways)]]
    return tuple(found[pair][row] for row in range(len(targets)) for pair in pairs)


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
    found: dict[tuple[str, str, str], tuple[float | None, int]] = {
        (target, metric, how): (None, 0) for target in targets for metric, how in pairs
    }
    for block in SeriesRows(frame, keys).blocks():
        there = np.isfinite(block.values) & (block.times != NO_TIME)
        order = np.argsort(block.times, axis=1, kind="stable")
        points = np.take_along_axis(np.where(there, block.values, np.nan), order, axis=1)
        values = {how: aggregate_rows(points, how).tolist() for how in dict.fromkeys(how for _, how in pairs)}
        counts = there.sum(axis=1).tolist()
        for row, (target, metric) in enumerate(keys[key] for key in block.series):
            for how in (how for name, how in pairs if name == metric):
                found[target, metric, how] = (number(values[how][row]), counts[row])
    return found


def periods_of(policy: Policy, metric: str, batch: MetricBatch) -> Periods:
    """The periods a metric's series has in a batch."""
    config = policy.metrics[metric]
    return Periods(config.window_at(batch.pulled_at), config.period_seconds, config.expected_points)


@dataclass(frozen=True)
class _Metric:
    """What makes signals of the grids of one metric."""

    targets: Sequence[str]
    metric: str
    ways: Sequence[str]
    first: int
    """The number of the first target's series."""
    pulled_at: int

    def signals(self, grid: Grid) -> Iterator[tuple[int, Signal]]:
        """The signals of a grid, by the number of their series; in the order of ``ways`` for each."""
        there = np.isfinite(grid.points)
        samples: list[int] = there.sum(axis=1).tolist()
        ages = ((self.pulled_at - grid.newest) / 1e6).tolist()
        # Plain Python numbers for many series at once; a missing point never becomes one.
        newest = grid.points[:, -MOST_POINTS:]
        if there.all():
            points: list[list[float | None]] = newest.tolist()
        else:
            numbers = newest.astype(np.object_)
            numbers[~there[:, -MOST_POINTS:]] = None
            points = numbers.tolist()
        values = [aggregate_rows(grid.points, how).tolist() for how in self.ways]
        periods = grid.points.shape[1]
        for row, series in enumerate(grid.series.tolist()):
            for how, of_all in zip(self.ways, values, strict=True):
                yield (
                    series,
                    Signal(
                        target=self.targets[series - self.first],
                        metric=self.metric,
                        aggregate=how,
                        value=number(of_all[row]),
                        points=tuple(points[row]),
                        samples=samples[row],
                        coverage=samples[row] / periods,
                        age_seconds=number(ages[row]),
                    ),
                )
