"""Ways in which a metric source withholds the truth, made on series that were drawn: what reaches the gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from setpoint.model import Completeness

PERIODS = 10
PERIOD = timedelta(minutes=1)
NEWEST = st.integers(1, PERIODS)
SLOTS = st.sets(st.integers(0, PERIODS - 1), min_size=1)


@dataclass(frozen=True)
class Answer:
    """What a source says of one target: points in its own order, and its word on them."""

    points: tuple[tuple[datetime, float], ...]
    status: Completeness = Completeness.COMPLETE
    announced: int | None = None
    """The points the source says it gave; as many as it gave when left out."""

    def with_values(self, values: list[float]) -> Answer:
        return replace(self, points=tuple((at, value) for (at, _), value in zip(self.points, values, strict=True)))

    def with_newest(self, values: list[float]) -> Answer:
        kept = len(self.points) - len(values)
        return self.with_values([value for _, value in self.points[:kept]] + values)


def measured(level: float, noise: float, seed: int, end: datetime) -> Answer:
    """A series as it is measured: around a level, and never the very same twice."""
    values = level * (1 + noise * np.random.default_rng(seed).uniform(-1, 1, PERIODS))
    return Answer(tuple((end - (PERIODS - slot) * PERIOD, float(value)) for slot, value in enumerate(values)))


Fault = Callable[[st.DataObject, Answer], Answer]


def dropout(data: st.DataObject, true: Answer) -> Answer:
    """Points are missing, and the source does not say so."""
    gone = data.draw(SLOTS)
    return replace(true, points=tuple(point for slot, point in enumerate(true.points) if slot not in gone))


def nothing(data: st.DataObject, true: Answer) -> Answer:
    """An empty answer."""
    return replace(true, points=())


def no_numbers(data: st.DataObject, true: Answer) -> Answer:
    """What the sources make of null, of the text "NaN" and of an error code that is no number; and infinities."""
    hit, bad = data.draw(SLOTS), data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    return true.with_values([bad if slot in hit else value for slot, (_, value) in enumerate(true.points)])


def duplicates(data: st.DataObject, true: Answer) -> Answer:
    """Some periods have two points."""
    again = data.draw(SLOTS)
    more = [(at, value * 0.9) for slot, (at, value) in enumerate(true.points) if slot in again]
    return replace(true, points=tuple(sorted([*true.points, *more])))


def disorder(data: st.DataObject, true: Answer) -> Answer:
    """The points do not come in the order of their times, so the newest is not the last."""
    order = data.draw(st.permutations(range(PERIODS)).filter(lambda one: list(one) != sorted(one)))
    return replace(true, points=tuple(true.points[slot] for slot in order))


def shifted_clock(data: st.DataObject, true: Answer) -> Answer:
    """The source's clock is minutes or days off: these are the points of another time."""
    away = data.draw(st.integers(1, 3_000)) * data.draw(st.sampled_from([PERIOD, -PERIOD]))
    return replace(true, points=tuple((at + away, value) for at, value in true.points))


def incomplete(data: st.DataObject, true: Answer) -> Answer:
    """The source itself calls its answer partial, or an error."""
    return replace(true, status=data.draw(st.sampled_from([Completeness.PARTIAL, Completeness.ERROR])))


def miscounted(data: st.DataObject, true: Answer) -> Answer:
    """The source gave other points than it says: some were lost on the way."""
    return replace(true, announced=len(true.points) + data.draw(st.integers(-3, 30).filter(bool)))


def stuck(data: st.DataObject, true: Answer) -> Answer:
    """An agent repeats the last value it saw before it hung."""
    newest = data.draw(st.integers(7, PERIODS))
    return true.with_newest([true.points[-newest][1]] * newest)


def zeros(data: st.DataObject, true: Answer) -> Answer:
    """Zeros instead of values, in any places."""
    hit = data.draw(SLOTS)
    return true.with_values([0.0 if slot in hit else value for slot, (_, value) in enumerate(true.points)])


def sensor_code(data: st.DataObject, true: Answer) -> Answer:
    """A number that means "no measurement", from some moment on."""
    code = data.draw(st.sampled_from([-1.0, -999.0, -9999.0, 9999.0, 65535.0, 1e38]))
    return true.with_newest([code] * data.draw(NEWEST))


CODES = [-1.0, -99.0, -127.0, -999.0, -32768.0, -(2.0**31), 999.0, 9999.0, 65535.0, 2.0**31 - 1, 1e20, 1e38]
"""Error codes: at least ten times every level that is drawn here, or below zero."""
OWN_CODES = [7.0, 250.0, 1234.5]
"""What a policy declares as its metric's error codes beside the usual ones."""


def usual_code(data: st.DataObject, true: Answer) -> Answer:
    """A usual error code in any places: some, most or all."""
    hit, code = data.draw(SLOTS), data.draw(st.sampled_from(CODES))
    return true.with_values([code if slot in hit else value for slot, (_, value) in enumerate(true.points)])


def own_code(data: st.DataObject, true: Answer) -> Answer:
    """An error code that this metric alone has, in any places."""
    hit, code = data.draw(SLOTS), data.draw(st.sampled_from(OWN_CODES))
    return true.with_values([code if slot in hit else value for slot, (_, value) in enumerate(true.points)])


def unit_within(data: st.DataObject, true: Answer) -> Answer:
    """Another unit from some moment in the window on: what was before shows it."""
    factor = data.draw(st.sampled_from([1e-2, 1e-3, 1e-6, 2.0**-20]))
    newest = data.draw(st.integers(1, PERIODS - 1))
    return true.with_newest([value * factor for _, value in true.points[-newest:]])


def other_unit(data: st.DataObject, true: Answer) -> Answer:
    """A ratio for a percentage, seconds for milliseconds, MiB for bytes: from some moment on, or all along."""
    factor = data.draw(st.sampled_from([1e-2, 1e-3, 1e-6, 2.0**-20]))
    newest = data.draw(NEWEST)
    return true.with_newest([value * factor for _, value in true.points[-newest:]])


def lone_spike(data: st.DataObject, true: Answer) -> Answer:
    """One wild point, the newest."""
    factor = data.draw(st.sampled_from([0.3, 0.1, 0.01, 1e-6, -1.0, 1e3]))
    return true.with_newest([true.points[-1][1] * factor])


HIDES_LOAD: tuple[Fault, ...] = (
    dropout, nothing, no_numbers, duplicates, disorder, shifted_clock, incomplete, miscounted, stuck,
)  # fmt: skip
"""Faults that leave points which look quiet, of a target of which nobody knows whether it is."""
LOOKS_QUIET: tuple[Fault, ...] = (zeros, sensor_code, other_unit, lone_spike, no_numbers, dropout, nothing)
"""Faults that make the points of a target under load look quiet."""
WITHOUT_RANGE: tuple[Fault, ...] = (zeros, usual_code, own_code, unit_within, no_numbers, dropout, nothing)
"""Faults that are seen without ``between`` and without a history: of the target under load, and of the quiet one."""
