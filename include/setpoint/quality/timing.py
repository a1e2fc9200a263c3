"""What the times of some series say: where their points lie in the window, and where there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from setpoint.quality.limits import Limits
from setpoint.signals.locate import NO_TIME, Block, Booleans, Integers

_FAR = np.iinfo(np.int64).max
"""The place of a point that lies in no period: behind all of those that do."""


@dataclass(frozen=True)
class Timing:
    """Counts of points and periods, one a series, shape (n,)."""

    out_of_order: Integers
    outside: Integers
    unsettled: Integers
    future: Integers
    duplicates: Integers
    filled: Integers
    longest_gap: Integers
    inner_gap: Integers


def timing_of(block: Block, finite: Booleans, limits: Limits) -> Timing:
    """Measure the times of a block.

    :param finite: which points have a time and a finite value, shape of ``block.times``.
    :param limits: of the block's series.
    """
    return _on_time(block, finite, limits) or _measured(block, finite, limits)


def _on_time(block: Block, finite: Booleans, limits: Limits) -> Timing | None:
    """Nothing to measure, when each period has its point at its beginning, in order: the common case."""
    periods = block.times.shape[1]
    if not (block.even and (limits.expected == periods).all() and finite.all()):
        return None
    alike = all((one == one[0]).all() for one in (limits.start_us, limits.period_us))
    starts, steps = (one[: 1 if alike else None, None] for one in (limits.start_us, limits.period_us))
    slots = starts + steps * np.arange(periods)
    if not (block.times == slots).all():
        return None
    nothing = np.zeros(len(block.series), dtype=np.int64)
    return Timing(nothing, nothing, nothing, nothing, nothing, limits.expected, nothing, nothing)


def _measured(block: Block, finite: Booleans, limits: Limits) -> Timing:
    times = block.times
    timed = times != NO_TIME
    places = (times - limits.start_us[:, None]) // limits.period_us[:, None]
    inside = timed & (places >= 0) & (places < limits.expected[:, None])
    future = timed & (times > limits.future_us[:, None])
    late = timed & (places >= limits.expected[:, None]) & ~future
    periods = _distinct(np.where(inside, places, _FAR))
    filled = _sorted(np.where(inside & finite, places, _FAR))
    filled_count = _distinct(filled)
    longest, inner = _gaps(filled, limits.expected)
    return Timing(
        out_of_order=_out_of_order(times, timed, block.counts),
        outside=(timed & ~inside & ~future & ~late).sum(axis=1),
        unsettled=late.sum(axis=1),
        future=future.sum(axis=1),
        duplicates=inside.sum(axis=1) - periods,
        filled=filled_count,
        longest_gap=longest,
        inner_gap=inner,
    )


def _sorted(places: Integers) -> Integers:
    return places if (places[:, 1:] >= places[:, :-1]).all() else np.sort(places, axis=1)


def _distinct(places: Integers) -> Integers:
    """How many periods a series has points in."""
    ordered = _sorted(places)
    new = (ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] != _FAR)
    return np.asarray(new.sum(axis=1) + (ordered[:, 0] != _FAR))


def _gaps(filled: Integers, expected: Integers) -> tuple[Integers, Integers]:
    """The most periods in a row without a point: with the window's two ends, and between two points."""
    there = filled != _FAR
    last = np.where(there, filled, -1).max(axis=1)
    steps = np.where(there[:, 1:], filled[:, 1:] - filled[:, :-1] - 1, 0)
    inner = np.maximum(steps.max(axis=1, initial=0), 0)
    before = np.where(there[:, 0], filled[:, 0], expected)
    after = expected - 1 - last
    return np.maximum(inner, np.maximum(before, np.where(there[:, 0], after, 0))), inner


def _out_of_order(times: Integers, timed: Booleans, counts: Integers) -> Integers:
    """Points older than the point of the same series right before them; what has no time stands between no two."""
    if not (timed.sum(axis=1) == counts).all():
        # The latest of all before would do for "right before" only where nothing went back yet; so squeeze the holes.
        order = np.argsort(~timed, axis=1, kind="stable")
        times, timed = np.take_along_axis(times, order, axis=1), np.take_along_axis(timed, order, axis=1)
    return np.asarray(((times[:, 1:] < times[:, :-1]) & timed[:, 1:]).sum(axis=1))
