"""How points become one value: the aggregates, for many series at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def aggregate_rows(matrix: Floats, aggregate: str) -> Floats:
    """Aggregate each row of a matrix.

    ``last`` is the last value that is there. A percentile ``p<q>`` interpolates linearly between the closest ranks:
    with *n* values sorted ascending and rank ``(n - 1) * q / 100``, it lies between the values at the rank's floor and
    ceiling, in proportion (numpy's default method, ``linear``; number 7 in Hyndman and Fan, "Sample Quantiles in
    Statistical Packages", 1996). CloudWatch computes its own percentiles from the samples *within* a period; this one
    is taken over the periods' values.

    :param matrix: one series a row, in the order of time, shape (series, points); a point that is missing is NaN.
    :param aggregate: ``mean``, ``min``, ``max``, ``sum``, ``last`` or a percentile ``p0`` to ``p100``.
    :returns: one value a row; NaN where the row has no value.
    :raises ValueError: there is no such aggregate.
    """
    there = np.isfinite(matrix)
    counts = there.sum(axis=1)
    with np.errstate(over="ignore"):  # a sum too large for a float is infinite, and so not a number for `number`
        values = _reduced(matrix, there, counts, aggregate)
    return np.where(counts > 0, values, np.nan)


def _reduced(matrix: Floats, there: npt.NDArray[np.bool_], counts: npt.NDArray[np.int_], aggregate: str) -> Floats:
    if aggregate in ("sum", "mean"):
        sums: Floats = (matrix if there.all() else np.where(there, matrix, 0.0)).sum(axis=1)
        return sums if aggregate == "sum" else sums / np.maximum(counts, 1)
    if aggregate == "min":
        return np.asarray(np.where(there, matrix, np.inf).min(axis=1, initial=np.inf))
    if aggregate == "max":
        return np.asarray(np.where(there, matrix, -np.inf).max(axis=1, initial=-np.inf))
    if aggregate == "last":
        return _last(matrix, there)
    return _percentile(matrix, there, counts, percentile_of(aggregate))


def aggregate_values(values: Sequence[float | None], aggregate: str) -> float | None:
    """Aggregate one series, in the order of time; what is missing is ``None`` and does not count.

    :returns: the value; ``None`` when there is nothing to aggregate.
    """
    row = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
    return number(aggregate_rows(row, aggregate)[0])


def number(value: float) -> float | None:
    """A plain float, or ``None`` for what is not a number: nothing missing ever becomes one."""
    return float(value) if np.isfinite(value) else None


def percentile_of(aggregate: str) -> float:
    """The percentage of a percentile's name: ``p99.9`` is 99.9.

    :raises ValueError: it is not the name of a percentile between ``p0`` and ``p100``.
    """
    try:
        percentage = float(aggregate.removeprefix("p")) if aggregate.startswith("p") else -1.0
    except ValueError:
        percentage = -1.0
    if not 0 <= percentage <= 100:
        raise ValueError(f"no aggregate {aggregate!r}: there are mean, min, max, sum, last and p0 to p100")
    return percentage


def _last(matrix: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    if not matrix.shape[1]:
        return np.full(len(matrix), np.nan)
    newest = matrix.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    return np.asarray(matrix[np.arange(len(matrix)), newest])


def _percentile(
    matrix: Floats, there: npt.NDArray[np.bool_], counts: npt.NDArray[np.int_], percentage: float
) -> Floats:
    if not matrix.shape[1]:
        return np.full(len(matrix), np.nan)
    if there.all():
        return _percentile_of_full(matrix, percentage)
    # Sorted with what is missing at the end, so that ranks count real values only; np.nanpercentile goes row by row.
    ordered = np.sort(np.where(there, matrix, np.inf), axis=1)
    rank = np.maximum(counts - 1, 0) * (percentage / 100)
    below, above = np.floor(rank).astype(np.int64), np.ceil(rank).astype(np.int64)
    rows = np.arange(len(matrix))
    low, high = ordered[rows, below], ordered[rows, above]
    filled = counts > 0
    values = np.full(len(matrix), np.nan)
    values[filled] = low[filled] + (high[filled] - low[filled]) * (rank - below)[filled]
    return values


def _percentile_of_full(matrix: Floats, percentage: float) -> Floats:
    """The same where nothing is missing: the rank is the same in every row, so none has to be sorted for it."""
    rank = (matrix.shape[1] - 1) * (percentage / 100)
    below = int(np.floor(rank))
    # One place only: numpy looks for one place much faster than for two.
    parted = np.partition(matrix, below, axis=1)
    low = parted[:, below]
    high = parted[:, below + 1 :].min(axis=1) if rank > below else low
    return np.asarray(low + (high - low) * (rank - below))
