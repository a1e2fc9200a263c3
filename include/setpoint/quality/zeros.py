"""Zeros: how many a series has, how they lie, and whether they may be counts of nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from setpoint.signals.locate import Booleans, Floats, Integers

LONE_SHARE = 0.1
"""Zeros that may be counts of nothing are at most this part of the points."""
COUNT_SPREADS = 3.0
"""A count may be zero by itself when its median is at most so many spreads: of one with a Poisson distribution (spread:
the root of its mean) and a mean of 9, one in 8,000 is."""


@dataclass(frozen=True)
class Zeros:
    """One number a series, shape (n,)."""

    zeros: Integers
    lone_zeros: Integers
    """The zeros of a series, when each of them may be a count of nothing; else 0."""
    trailing_zeros: Integers
    zero_run: Integers
    """The most zeros in a row."""


def zeros_of(points: Floats, counts: Integers, median: Floats, spread: Floats, may: Booleans) -> Zeros:
    """Measure the zeros of some series.

    A zero may be a count of nothing among whole numbers that come near zero by themselves, when a value stands on
    each side of it: what an outage gives stays zero, and its first zero is the newest point.

    :param points: the newest in the last column, shape (n, points); NaN is no point.
    :param may: which series may have a zero at all, by their extremes.
    """
    found = Zeros(*(np.zeros_like(counts) for _ in range(4)))
    rows = np.flatnonzero(may)
    if len(rows):
        here, middle = points[rows], median[rows]
        zero = here == 0
        count = zero.sum(axis=1)
        found.zeros[rows] = count
        found.trailing_zeros[rows] = np.where(zero.all(axis=1), zero.shape[1], (~zero[:, ::-1]).argmax(axis=1))
        found.trailing_zeros[rows] = np.minimum(found.trailing_zeros[rows], count)
        found.zero_run[rows] = _longest(zero)
        whole = ((here == np.round(here)) & (here >= 0) | np.isnan(here)).all(axis=1)
        near = middle <= COUNT_SPREADS * np.maximum(spread[rows], np.sqrt(np.maximum(middle, 0)))
        lone = (found.zero_run[rows] == 1) & ~zero[:, -1] & (count <= LONE_SHARE * counts[rows])
        found.lone_zeros[rows] = np.where(whole & near & lone & (middle > 0), count, 0)
    return found


def _longest(marks: Booleans) -> Integers:
    longest = run = np.zeros(len(marks), dtype=np.int64)
    for column in marks.T:
        run = (run + 1) * column
        longest = np.maximum(longest, run)
    return longest
