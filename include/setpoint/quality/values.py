"""What the values of some series say: how they are spread, and what stands out of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from setpoint.quality.codes import code_points, negative_points, suspects_of
from setpoint.quality.limits import Limits
from setpoint.quality.zeros import zeros_of
from setpoint.signals.locate import Block, Booleans, Floats, Integers

ENOUGH_POINTS = 5
"""Points a series needs before its median says what is usual in it."""
WILD_SPREADS = 10.0
"""A point that stands out is more than so many spreads from the median."""
_MAD_TO_SPREAD = 1.4826
"""Makes the median absolute deviation the standard deviation, were the values normal: 1 / Phi^-1(3/4) (Rousseeuw and
Croux, "Alternatives to the Median Absolute Deviation", 1993)."""


@dataclass(frozen=True)
class Spread:
    """One number a series, shape (n,). Of a series without a finite point: NaN, and counts of 0."""

    minimum: Floats
    maximum: Floats
    median: Floats
    spread: Floats
    """1.4826 times the median absolute deviation from the median."""
    beyond: Integers
    negatives: Integers
    codes: Integers
    zeros: Integers
    lone_zeros: Integers
    trailing_zeros: Integers
    zero_run: Integers
    standing: Integers
    """Newest points in a row with the very same value."""
    longest_run: Integers
    newest_times: Floats
    """The newest point alone, in multiples of the median or as its inverse; 1 when it does not stand out."""
    wild: Integers
    newest: Floats


def spread_of(block: Block, finite: Booleans, limits: Limits) -> Spread:
    """Measure the values of a block.

    :param finite: which points have a time and a finite value, shape of ``block.values``.
    :param limits: of the block's series.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # values near the largest there are lie infinitely far apart
        return _spread_of(*_newest_right(block, finite), limits)


def _spread_of(points: Floats, counts: Integers, limits: Limits) -> Spread:
    minimum, maximum = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
    median = median_of(points, counts)
    spread = np.minimum(_MAD_TO_SPREAD * median_of(np.abs(points - median[:, None]), counts), np.finfo(np.float64).max)
    beyond, negatives, codes = (np.zeros_like(counts) for _ in range(3))
    suspects = np.flatnonzero((minimum < limits.low) | (maximum > limits.high))
    low, high = limits.low[suspects, None], limits.high[suspects, None]
    beyond[suspects] = ((points[suspects] < low) | (points[suspects] > high)).sum(axis=1)
    suspects = np.flatnonzero(minimum < limits.floor)
    negatives[suspects] = negative_points(points[suspects], limits.floor[suspects]).sum(axis=1)
    believed = points
    suspects = suspects_of(minimum, maximum, limits)
    if len(suspects):
        few = limits.of(suspects)
        marks = code_points(
            points[suspects],
            own=few.own_codes,
            usual=few.usual_codes,
            low=few.low,
            high=few.high,
            largest_before=few.largest_before,
        )
        codes[suspects] = marks.sum(axis=1)
        believed = points.copy()
        believed[suspects] = np.where(marks, np.nan, points[suspects])
    zeros = zeros_of(points, counts, median, spread, (minimum <= 0) & (maximum >= 0))
    usual = _Usual(points, counts, median, spread, minimum, maximum)
    return Spread(
        minimum=minimum,
        maximum=maximum,
        median=median,
        spread=spread,
        beyond=beyond,
        negatives=negatives,
        codes=codes,
        **vars(zeros),
        standing=_trailing(points == points[:, -1:], counts),
        longest_run=_longest_run(points, counts),
        newest_times=usual.newest_times(limits.newest_spike),
        wild=usual.wild(believed, limits),
        newest=points[:, -1],
    )


def median_of(points: Floats, counts: Integers) -> Floats:
    """The median of each row; NaN in a row is no value, and there are ``counts`` that are."""
    width = points.shape[1]
    if (counts == width).all():
        middle = width // 2
        # One place only: numpy looks for one place much faster than for two.
        parted = np.partition(points, middle, axis=1)
        high = parted[:, middle]
        low = high if width % 2 else parted[:, :middle].max(axis=1)
    else:
        ordered = np.sort(points, axis=1)  # NaN last
        rows = np.arange(len(points))
        low, high = ordered[rows, np.maximum(counts - 1, 0) // 2], ordered[rows, np.minimum(counts // 2, width - 1)]
    # Not (low + high) / 2, which is infinite for large values.
    return np.where(low == high, low, low / 2 + high / 2)


def times_of(values: Floats, median: Floats) -> tuple[Floats, Floats]:
    """How many times the median a value is, and how many times the value the median is; sizes without their signs.

    0 where one of the two is zero: nothing is a multiple of that, and zeros are the zero guard's.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        above = np.abs(values / median)
        below = np.abs(median / values)
    comparable = (values != 0) & (median != 0)
    return np.where(comparable, above, 0.0), np.where(comparable, below, 0.0)


@dataclass(frozen=True)
class _Usual:
    """A block's points (newest right), and what is usual in each series."""

    points: Floats
    counts: Integers
    median: Floats
    spread: Floats
    minimum: Floats
    maximum: Floats

    def newest_times(self, limit: Floats) -> Floats:
        found = np.ones(len(self.points))
        if self.points.shape[1] < ENOUGH_POINTS:
            return found
        newest, before = self.points[:, -1], self.points[:, -2]
        above, below = times_of(newest, self.median)
        above_before, below_before = times_of(before, self.median)
        far = (self.counts >= ENOUGH_POINTS) & (np.abs(newest - self.median) > WILD_SPREADS * self.spread)
        alone_above = far & (above > limit) & ~(above_before > limit)
        far_below = far | ((self.counts >= ENOUGH_POINTS) & is_far_below(below, self.spread, self.median))
        alone_below = far_below & (below > limit) & ~(below_before > limit)
        found[alone_above], found[alone_below] = above[alone_above], below[alone_below]
        return found

    def wild(self, believed: Floats, limits: Limits) -> Integers:
        """:param believed: the points without those that are error codes."""
        limit = limits.max_spike
        found = np.zeros(len(self.points), dtype=np.int64)
        farthest = np.maximum(times_of(self.minimum, self.median)[0], times_of(self.maximum, self.median)[0])
        # Only a series that touches or crosses zero, or comes near it, has a point that small: beside its largest one,
        # not its median: that of a series in two parts (see `_lower_part`) may be that of the wrong one.
        near = np.where(
            (self.minimum <= 0) & (self.maximum >= 0), 0.0, np.minimum(abs(self.minimum), abs(self.maximum))
        )
        largest = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        suspects = np.flatnonzero((self.counts >= ENOUGH_POINTS) & ((farthest >= limit) | (near * limit <= largest)))
        if len(suspects):
            few = (self.median[suspects], self.spread[suspects], limit[suspects], limits.median_before[suspects])
            found[suspects] = wild_points(believed[suspects], *few).sum(axis=1)
        return found


def wild_points(points: Floats, median: Floats, spread: Floats, limit: Floats, before: Floats) -> Booleans:
    """The points ``limit`` times above their series' median and alone there, and those as many times below it.

    Upwards two neighbours confirm each other: a wave may rise that fast, and must not wait. Downwards they do not: what
    reads low is what takes capacity away.

    :param points: in the order of time, shape (n, points); NaN is no point.
    :param before: the median of the last accepted batch; NaN without one.
    """
    above, below = times_of(points, median[:, None])
    far = np.abs(points - median[:, None]) > WILD_SPREADS * spread[:, None]
    high = far & (above > limit[:, None])
    low = (far | is_far_below(below, spread[:, None], median[:, None])) & (below > limit[:, None])
    neighbour = np.zeros_like(high)
    neighbour[:, 1:] |= high[:, :-1]
    neighbour[:, :-1] |= high[:, 1:]
    lone = high & ~neighbour
    return np.asarray(lone | low | _lower_part(np.where(lone, np.nan, points), limit, before))


def is_far_below(times: Floats, spread: Floats, median: Floats) -> Booleans:
    """Whether something so many times below a median lies far from it, by how much the series varies in proportion.

    Below a value that varies by more than a tenth there is no room for ten spreads; in proportion there is: ten spreads
    below are so many times less as e to the power of ten relative spreads.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.log(times) > WILD_SPREADS * (spread / np.abs(median)))


def _lower_part(points: Floats, limit: Floats, before: Floats) -> Booleans:
    """The smaller points of a series that falls into two parts, ``limit`` times apart.

    By the median and the spread of such a series the larger part is usual, or each: its points do not stand out. A
    rise is none of it (all small points are older than all large ones), nor are small points such as the last accepted
    batch had. Zeros are left out: they are the zero guard's.
    """
    sizes = np.where(points == 0, np.nan, np.abs(points))
    ordered = np.sort(sizes, axis=1)  # NaN last
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        steps = ordered[:, 1:] / ordered[:, :-1]
    steps = np.where(np.isnan(steps), 0.0, steps)
    place = steps.argmax(axis=1)
    rows = np.arange(len(points))
    top = ordered[rows, place]
    with np.errstate(over="ignore", invalid="ignore"):
        known = top * limit > np.abs(before)
    apart = (np.isfinite(points).sum(axis=1) >= ENOUGH_POINTS) & (steps[rows, place] >= limit) & ~known
    lower = (sizes <= top[:, None]) & apart[:, None]
    upper = (sizes > top[:, None]) & apart[:, None]
    width = points.shape[1]
    newest_lower = width - 1 - lower[:, ::-1].argmax(axis=1)
    rises = newest_lower < upper.argmax(axis=1)
    return np.asarray(lower & ~rises[:, None])


def _newest_right(block: Block, finite: Booleans) -> tuple[Floats, Integers]:
    """The finite points of each series in the order of time, the newest in the last column, NaN left of the oldest."""
    times, values = block.times, block.values
    if block.even and finite.all() and (times[:, 1:] >= times[:, :-1]).all():
        return values, block.counts
    # What is no point sorts before all that is; among points their time decides, and then their place in the frame.
    order = np.argsort(np.where(finite, times, np.iinfo(np.int64).min), axis=1, kind="stable")
    points = np.where(np.take_along_axis(finite, order, axis=1), np.take_along_axis(values, order, axis=1), np.nan)
    return points, finite.sum(axis=1)


def _trailing(marked: Booleans, counts: Integers) -> Integers:
    """How many of the newest points in a row are marked."""
    if not marked[:, -1].any():
        return np.zeros_like(counts)
    free = ~marked[:, ::-1]
    return np.where(free.any(axis=1), free.argmax(axis=1), counts)


def _longest_run(points: Floats, counts: Integers) -> Integers:
    """The most points in a row with the very same value; 0 without a point."""
    found = np.minimum(counts, 1)
    rows = np.flatnonzero((points[:, 1:] == points[:, :-1]).any(axis=1))
    if len(rows):
        # The starts of runs, row after row; NaN differs from itself, and so runs alone.
        starts = np.ones((len(rows), points.shape[1]), dtype=np.bool_)
        starts[:, 1:] = points[rows, 1:] != points[rows, :-1]
        places = np.flatnonzero(starts)
        lengths = np.diff(np.append(places, starts.size))
        found[rows] = np.maximum.reduceat(lengths, np.searchsorted(places, np.arange(len(rows)) * points.shape[1]))
    return np.asarray(found)
