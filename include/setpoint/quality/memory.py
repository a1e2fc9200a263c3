"""What is usual of a series: kept from accepted batches, and compared with the next one.

Only batches whose series passed are remembered, so an outage never becomes what is usual. What was last accepted longer
ago than the policy's ``history_for`` is forgotten: the series is then new, and starts over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from setpoint.model import MetricBatch, SeriesHistory
from setpoint.quality.limits import ByMetric
from setpoint.quality.past import Past, usable
from setpoint.quality.values import WILD_SPREADS, is_far_below, times_of

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy

ENOUGH_BATCHES = 3
"""Accepted batches before a series is known to move, and not to stand still by its nature."""
ENOUGH_NONZERO = 100
"""Accepted points, none of them zero, before a zero is one that never was."""
RUN_TIMES = 2
"""A series stands still when it does for so many times longer than it ever did."""
SMALL_COUNT = 100
"""Whole numbers below this repeat by themselves: nobody can tell three waiting jobs from a counter that is stuck."""
NO_LIMIT = np.iinfo(np.int64).max
"""The points that may stand still where nobody knows, or asks."""

Floats = npt.NDArray[np.float64]


def past_columns(table: Mapping[str, Any], past: Past, policy: Policy, by_metric: ByMetric) -> dict[str, Any]:
    """What the past makes of a summary's series; where there is no past to compare with, what breaks no rule.

    - ``known_batches`` (accepted ones behind the history, 0 without one), ``median_before`` (of the last accepted
      batch, NaN without one), ``largest_before`` (the largest size of an accepted point, 0 without one);
    - ``guarded_zeros`` (zeros the policy does not believe in);
    - ``standing_allowed`` (newest points in a row that may have the same value) and ``standing_judged`` (those that
      have, 0 where their value may repeat: zero, small whole numbers, an end of ``between``, a new height);
    - ``fell_times``, ``rose_times`` (from the last accepted median to this one; 1 when within the usual spread).
    """
    return {
        "known_batches": past.batches,
        "median_before": past.median,
        "largest_before": past.largest,
        "guarded_zeros": _guarded_zeros(table, past, policy, by_metric),
        "standing_allowed": _standing_allowed(past, policy, by_metric),
        "standing_judged": np.where(_may_repeat(table["newest"], past, policy, by_metric), 0, table["standing"]),
        **_moves(table, past),
    }


def accepted_histories(
    summary: pd.DataFrame, passed: Iterable[int], batch: MetricBatch, policy: Policy, history: Iterable[SeriesHistory]
) -> tuple[SeriesHistory, ...]:
    """The histories of the series that passed, this batch included.

    :param passed: the numbers of their rows in the summary.
    :param history: what was remembered before.
    """
    known = usable(batch, policy, history)
    rows = summary.iloc[list(passed)]
    columns = (
        "target",
        "metric",
        "finite",
        "zeros",
        "median",
        "spread",
        "minimum",
        "maximum",
        "longest_run",
        "zero_run",
    )
    measured = zip(*(rows[name].tolist() for name in columns), strict=True)
    return tuple(
        _grown(known.get((target, metric)), batch, target, metric, *rest) for target, metric, *rest in measured
    )


def _grown(before: SeriesHistory | None, batch: MetricBatch, target: str, metric: str, *measured: Any) -> SeriesHistory:
    points, zeros, median, spread, lowest, highest, longest_run, zero_run = measured
    if before is not None and before.batch_id == batch.batch_id:
        return before  # judged again
    return SeriesHistory(
        target=target,
        metric=metric,
        batch_id=batch.batch_id,
        accepted_at=batch.pulled_at,
        batches=1 + (before.batches if before else 0),
        points=points + (before.points if before else 0),
        zeros=zeros + (before.zeros if before else 0),
        median=median,
        spread=spread,
        lowest=min(lowest, before.lowest) if before else lowest,
        highest=max(highest, before.highest) if before else highest,
        longest_run=max(longest_run, before.longest_run) if before else longest_run,
        zero_run=_longer(zero_run, before),
        zero_doubt=before.zero_doubt if before else None,
    )


def _longer(zero_run: int, before: SeriesHistory | None) -> int | None:
    """The most zeros in a row with this batch; unknown where it was unknown, and there were zeros."""
    if before is None or before.zeros == 0:
        return zero_run
    return None if before.zero_run is None else max(zero_run, before.zero_run)


def _guarded_zeros(table: Mapping[str, Any], past: Past, policy: Policy, by_metric: ByMetric) -> Any:
    always = by_metric.each(lambda metric: policy.quality_of(metric).zero_guard is True, np.bool_)
    by_history = by_metric.each(lambda metric: policy.quality_of(metric).zero_guard == "history", np.bool_)
    longer = (past.points >= ENOUGH_NONZERO) & (table["zero_run"] > RUN_TIMES * past.zero_run)
    return np.where(always | (by_history & longer), table["zeros"] - table["lone_zeros"], 0)


def _standing_allowed(past: Past, policy: Policy, by_metric: ByMetric) -> Any:
    after = by_metric.each(lambda metric: policy.quality_of(metric).stuck_after or NO_LIMIT, np.int64)
    allowed = np.maximum(after, RUN_TIMES * past.longest_run + 1) - 1
    return np.where((past.batches >= ENOUGH_BATCHES) & (after != NO_LIMIT), allowed, NO_LIMIT)


def _may_repeat(newest: Floats, past: Past, policy: Policy, by_metric: ByMetric) -> Any:
    ends = {metric: policy.quality_of(metric).between or (np.nan, np.nan) for metric in by_metric.metrics}
    low = by_metric.each(lambda metric: ends[metric][0], np.float64)
    high = by_metric.each(lambda metric: ends[metric][1], np.float64)
    small_count = (np.abs(newest) < SMALL_COUNT) & (newest == np.round(newest))
    return small_count | (newest == low) | (newest == high) | (newest >= past.highest)


def _moves(table: Mapping[str, Any], past: Past) -> dict[str, Any]:
    median = table["median"]
    up, down = times_of(median, past.median)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.abs(median - past.median) > WILD_SPREADS * np.maximum(table["spread"], past.spread)
    low = is_far_below(down, table["spread"], median) & is_far_below(down, past.spread, past.median)
    return {
        "fell_times": np.where((far | low) & (down > 1), down, 1.0),
        "rose_times": np.where(far & (up > 1), up, 1.0),
    }
