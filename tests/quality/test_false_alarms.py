"""How often the gate refuses data that is fine, and what it says of real troubles, on series like those measured.

The series are generated in the character of the public ones that ``benchmarks/traces.py`` is run on; the figures of
those stand in docs/quality.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is no package of ours to install

from benchmarks.traces import PERIODS, Judged, Series, judged, policy_of

from setpoint.model import Verdict

Floats = npt.NDArray[np.float64]
POINTS = 700


def series_of(values: Floats, period_seconds: int = 300, gone: range = range(0)) -> Series:
    """A series with every point but those of some periods."""
    there = np.array([place not in gone for place in range(len(values))])
    places = np.arange(len(values))[there]
    return Series("generated", period_seconds, places, values[there], datetime(2026, 1, 1, tzinfo=UTC))


def look(series: Series, **quality: Any) -> Judged:
    """Every window judged, as the benchmark does it."""
    return judged(series, policy_of(series, **quality))


def day(points: int, each_day: int) -> Floats:
    """The course of days: 0.4 at night, 1.6 at noon."""
    return np.asarray(1 + 0.6 * np.sin(2 * np.pi * np.arange(points) / each_day))


def requests(random: np.random.Generator) -> Floats:
    """Requests each ten seconds: small counts around fifteen."""
    return random.poisson(15 * day(POINTS, 360)).astype(np.float64) + 1


def page_views(random: np.random.Generator) -> Floats:
    """Page views an hour, in millions."""
    return np.round(5e6 * day(POINTS, 24) * random.normal(1, 0.03, POINTS))


def idle_cpu(random: np.random.Generator) -> Floats:
    """A machine at rest: 0.13 %, in steps of 0.002, with a task now and then."""
    values = 0.132 + 0.002 * random.integers(-1, 2, POINTS)
    values[random.choice(POINTS, 2, replace=False)] = 1.9
    return np.asarray(values)


def busy_cpu(random: np.random.Generator) -> Floats:
    """A machine near its limit."""
    return np.asarray(np.clip(92 + random.normal(0, 2.5, POINTS), 0, 100))


def temperature(random: np.random.Generator) -> Floats:
    """A room, in degrees: slow, and never far."""
    return np.asarray(71 + np.cumsum(random.normal(0, 0.15, POINTS)))


@pytest.mark.parametrize("seed", [1, 2])
def test_clean_series_are_not_refused(seed: int) -> None:
    """Of all windows of five clean series, fewer than one in two hundred is refused, and none fails."""
    kinds: list[Callable[[np.random.Generator], Floats]] = [requests, page_views, idle_cpu, busy_cpu, temperature]
    found = [look(series_of(kind(np.random.default_rng(seed)))) for kind in kinds]

    windows, refused = sum(len(one.ends) for one in found), sum(one.refused for one in found)
    assert refused / windows < 0.005, [(kind.__name__, one.episodes()) for kind, one in zip(kinds, found, strict=True)]
    assert not any(verdict is Verdict.FAIL for one in found for verdict in one.verdicts)


def test_a_counter_that_is_honestly_zero_needs_the_guard_off() -> None:
    """Few events a period are zero at times: each zero is doubted by default, and none where the policy says so."""
    values = np.random.default_rng(3).poisson(4.0, POINTS).astype(np.float64)

    assert look(series_of(values)).refused > 0
    assert look(series_of(values), zero_guard=False).refused / POINTS < 0.005


def test_no_window_with_a_gap_passes() -> None:
    """A sensor that says nothing for twenty hours: each window that lacks a point is refused, and no other one."""
    gone = range(300, 320)
    one = look(series_of(temperature(np.random.default_rng(4)), 3600, gone))

    for end, complete, verdict, broken in zip(one.ends, one.complete, one.verdicts, one.broken, strict=True):
        assert (verdict is Verdict.PASS) is complete, (end, broken)
    at = dict(zip(one.ends, one.broken, strict=True))
    assert set(at[gone.stop]) == {"freshness", "coverage"}
    assert set(at[gone.stop + PERIODS - 1]) == {"coverage"}, "complete but for the oldest of its periods"


def test_a_collapse_is_believed_once_a_second_point_confirms_it() -> None:
    """CPU falls from 92 to 20 % and stays there for hours: one window of doubt, then it is the truth."""
    values = busy_cpu(np.random.default_rng(5))
    values[300:430] = values[300:430] - 72
    one = look(series_of(values))

    low = {end: (verdict, broken) for end, verdict, broken in zip(one.ends, one.verdicts, one.broken, strict=True)}
    assert low[301] == (Verdict.DEGRADED, ("newest_spike",))
    assert [end for end in range(302, 431) if low[end][0] is not Verdict.PASS] == []
