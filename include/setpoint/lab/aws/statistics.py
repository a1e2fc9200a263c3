"""CloudWatch's statistics over periods, vectorised: one pass per metric, whatever the number of periods."""

import re
from dataclasses import dataclass

import numpy as np

from setpoint.lab.aws.store import Columns, Floats

SIMPLE = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_PERCENTILE = re.compile(r"^p(\d{1,2}(?:\.\d{1,10})?|100)$")
_TRIMMED_MEAN = re.compile(r"^tm(\d{1,2}(?:\.\d{1,10})?|100)$")


@dataclass(frozen=True)
class Points:
    """Statistic values by period, in order of time; `times` are the starts of the periods in epoch seconds."""

    times: Floats
    values: Floats


def is_statistic(name: str) -> bool:
    """Tell whether the store can compute this statistic: a simple one, `p0`..`p100` or `tm0`..`tm100`."""
    return name in SIMPLE or _PERCENTILE.match(name) is not None or _TRIMMED_MEAN.match(name) is not None


def aggregate(columns: Columns, statistic: str, period_seconds: int) -> Points:
    """Return one statistic per period that has samples.

    Periods start at multiples of their length, counted from the epoch. Percentiles interpolate linearly between
    the closest ranks, as numpy does by default, over the values counted as often as they were published; a period
    that holds a statistic set (minimum < maximum) has no percentile and no trimmed mean, as CloudWatch documents.

    :raises ValueError: for a statistic `is_statistic` does not know.
    """
    if not is_statistic(statistic):
        raise ValueError(f"unknown statistic {statistic!r}, allowed: {', '.join(SIMPLE)}, pNN, tmNN")
    if columns.times.size == 0:
        return Points(np.empty(0), np.empty(0))
    periods = np.floor_divide(columns.times, period_seconds) * period_seconds
    starts, first = np.unique(periods, return_index=True)
    if statistic in SIMPLE:
        return Points(starts, _simple(columns, statistic, first))
    percentile = _PERCENTILE.match(statistic)
    plain = np.minimum.reduceat(columns.minima == columns.maxima, first)
    rank = float(statistic.lstrip("ptm")) / 100.0
    values = np.empty(starts.size)
    bounds = np.append(first, columns.times.size)
    for number in range(starts.size):
        inside = slice(bounds[number], bounds[number + 1])
        expanded = np.sort(np.repeat(columns.minima[inside], columns.counts[inside].astype(np.int64)))
        values[number] = _percentile(expanded, rank) if percentile else _trimmed_mean(expanded, rank)
    return Points(starts[plain], values[plain])


def _simple(columns: Columns, statistic: str, first: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    if statistic == "Minimum":
        return np.minimum.reduceat(columns.minima, first)
    if statistic == "Maximum":
        return np.maximum.reduceat(columns.maxima, first)
    totals = np.add.reduceat(columns.totals, first)
    counts = np.add.reduceat(columns.counts, first)
    if statistic == "Sum":
        return totals
    if statistic == "SampleCount":
        return counts
    return np.asarray(totals / counts)


def _percentile(ordered: Floats, rank: float) -> float:
    position = rank * (ordered.size - 1)
    low = int(position)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))


def _trimmed_mean(ordered: Floats, rank: float) -> float:
    """Return the mean of the lowest `rank` share of the values (`tm90`: without the highest ten percent)."""
    kept = max(1, int(np.ceil(rank * ordered.size)))
    return float(ordered[:kept].mean())
