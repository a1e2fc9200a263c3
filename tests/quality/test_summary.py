"""The summary of a fleet, reduced at once, against plain Python on one series after the other."""

from __future__ import annotations

import math
import statistics
from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from setpoint.model import FRAME_COLUMNS
from setpoint.quality.expectations import excesses, validation
from setpoint.quality.rules import RULES
from setpoint.quality.summary import summarise
from setpoint.signals.locate import SeriesRows
from setpoint.testing.values import NOW

Points = list[tuple[Any, float]]
_PERIODS = 10

_seconds = st.one_of(
    st.integers(0, 9).map(lambda slot: slot * 60), st.integers(-90, 780), st.sampled_from([600, 660, 661])
)
_times = st.one_of(_seconds.map(lambda after: NOW + timedelta(seconds=after - 600)), st.none())
_values = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.0, 50.0, 50.0, 100.0, math.nan, math.inf, -math.inf]),
    st.floats(-200, 200),
    st.floats(allow_nan=False, allow_infinity=False),
)
_series = st.one_of(
    st.lists(st.tuples(_times, _values), max_size=14),
    st.lists(_values, min_size=10, max_size=10).map(
        lambda values: [(NOW + timedelta(minutes=n - 10), value) for n, value in enumerate(values)]
    ),
)


def _slot(moment: Any) -> int:
    return math.floor((moment - (NOW - timedelta(minutes=_PERIODS))) / timedelta(minutes=1))


def _naive(points: Points) -> dict[str, float]:
    """The summary of one series, written for reading."""
    timed = [(moment, value) for moment, value in points if moment is not None]
    finite = sorted(((moment, value) for moment, value in timed if math.isfinite(value)), key=lambda point: point[0])
    values = [value for _, value in finite]
    inside = [moment for moment, _ in timed if 0 <= _slot(moment) < _PERIODS]
    future = [moment for moment, _ in timed if moment > NOW + timedelta(minutes=1)]
    filled = sorted({_slot(moment) for moment, _ in finite if 0 <= _slot(moment) < _PERIODS})
    runs = [len(list(same)) for _, same in groupby(values)]
    gaps = [after - before - 1 for before, after in pairwise(filled)]
    ends = [filled[0], _PERIODS - 1 - filled[-1]] if filled else [_PERIODS]
    return {
        "points": len(points),
        "finite": len(finite),
        "infinite": sum(math.isinf(value) for _, value in points),
        "nulls": sum(moment is None or math.isnan(value) for moment, value in points),
        "out_of_order": sum(after < before for (before, _), (after, _) in pairwise(timed)),
        "future": len(future),
        "outside": sum(_slot(moment) < 0 for moment, _ in timed),
        "unsettled": sum(_slot(moment) >= _PERIODS for moment, _ in timed) - len(future),
        "duplicates": len(inside) - len({_slot(moment) for moment in inside}),
        "filled": len(filled),
        "gap_seconds": max(gaps, default=0) * 60,
        "longest_gap": max(gaps + ends),
        "age_seconds": (NOW - finite[-1][0]).total_seconds() if finite else math.inf,
        "beyond": sum(not 0 <= value <= 100 for value in values),
        "zeros": values.count(0),
        "trailing_zeros": runs[-1] if runs and values[-1] == 0 else 0,
        "standing": runs[-1] if runs else 0,
        "longest_run": max(runs, default=0),
        "minimum": min(values, default=math.nan),
        "maximum": max(values, default=math.nan),
        "median": _median(values) if values else math.nan,
    }


def _median(values: list[float]) -> float:
    low, high = statistics.median_low(values), statistics.median_high(values)
    return low if low == high else low / 2 + high / 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(fleet=st.dictionaries(st.text(min_size=1, max_size=6), _series, min_size=1, max_size=6), seed=st.integers(0, 3))
def test_reducing_a_fleet_is_reducing_each_series(gate: Any, fleet: dict[str, Points], seed: int) -> None:
    """Ordered or not, with holes, doubles, NaN and infinities, laid end to end or mixed row by row."""
    frame = gate.frame(fleet)
    if seed:
        # Rows of all series mixed, each series in its own order: what a source that answers time by time gives.
        turns = np.random.default_rng(seed).random(len(frame))
        numbers = frame["target"].map({name: n for n, name in enumerate(fleet)}).to_numpy()
        order = np.argsort(turns, kind="stable")
        places = np.empty_like(order)
        for number in range(len(fleet)):
            places[np.flatnonzero(numbers[order] == number)] = np.flatnonzero(numbers == number)
        frame = frame.iloc[places].reset_index(drop=True)
    summary = summarise(frame, gate.batch(fleet), gate.policy())
    for row, points in zip(summary.to_dict("records"), fleet.values(), strict=True):
        expected = _naive(points)
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(fleet=st.dictionaries(st.text(min_size=1, max_size=6), _series, min_size=1, max_size=6))
def test_the_quick_look_sees_what_the_suite_sees(gate: Any, fleet: dict[str, Points]) -> None:
    """What decides whether a batch is looked at closely, and each expectation of the whole suite, say the same."""
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy())
    quick = {name: bool(values.any()) for name, values in excesses(summary, gate.policy()).items()}
    _, result = validation(summary, gate.policy())
    whole = {one.expectation_config.meta["check"]: not one.success for one in result.results}
    assert {name: quick[name] for name in whole} == whole
    assert not any(quick[name] for name in quick.keys() - whole.keys())


def test_no_number_that_is_judged_is_missing(gate: Any) -> None:
    """Great Expectations skips what is missing, so a series without a point has numbers all the same."""
    summary = summarise(gate.frame({"web": []}), gate.batch({"web": []}), gate.policy())
    judged = [name for rule in RULES for name in (rule.column, rule.limit) if name]
    assert not summary[judged].isna().any(axis=None)


def test_rows_of_nobody_are_found_and_left_out(gate: Any) -> None:
    """A missing name, a stranger's and an unknown metric's rows belong to no series."""
    frame = gate.frame({"web": gate.clean(), "api": gate.clean()})
    frame.loc[[3, 12], "target"] = None
    frame.loc[5, "metric"] = "memory"
    rows = SeriesRows(frame, [("web", "cpu"), ("api", "cpu")])
    assert sorted(rows.strangers.tolist()) == [3, 5, 12]
    assert rows.counts.tolist() == [8, 9]
    assert rows.rows(1).tolist() == [10, 11, 13, 14, 15, 16, 17, 18, 19]


def test_a_frame_of_another_resolution_is_read_the_same(gate: Any) -> None:
    """Milliseconds, microseconds and nanoseconds are the same moments."""
    fleet = {"web": gate.clean()}
    frame = gate.frame(fleet)
    expected = summarise(frame, gate.batch(fleet), gate.policy())
    for unit in ("ms", "ns"):
        other = frame.astype({"timestamp": f"datetime64[{unit}, UTC]"})
        assert tuple(other.columns) == FRAME_COLUMNS
        assert summarise(other, gate.batch(fleet), gate.policy()).equals(expected)
