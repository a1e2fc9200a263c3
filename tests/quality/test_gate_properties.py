"""Withheld truth never passes, whatever the way it was withheld; clean data always does."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from setpoint.model import Verdict

Points = list[Any]

_NAMES = st.text(min_size=1, max_size=20)
_LEVELS = st.floats(min_value=0.01, max_value=60)
_FACTORS = st.lists(st.floats(min_value=0.6, max_value=1.6), min_size=10, max_size=10)
_SLOTS = st.sets(st.integers(0, 9), min_size=1)


def _dropout(data: st.DataObject, points: Points) -> Points:
    gone = data.draw(_SLOTS)
    return [point for slot, point in enumerate(points) if slot not in gone]


def _replace(data: st.DataObject, points: Points, value: float) -> Points:
    hit = data.draw(_SLOTS)
    return [(moment, value if slot in hit else old) for slot, (moment, old) in enumerate(points)]


def _zeros(data: st.DataObject, points: Points) -> Points:
    return _replace(data, points, 0.0)


def _nulls(data: st.DataObject, points: Points) -> Points:
    return _replace(data, points, math.nan)


def _infinities(data: st.DataObject, points: Points) -> Points:
    return _replace(data, points, data.draw(st.sampled_from([math.inf, -math.inf])))


def _duplicates(data: st.DataObject, points: Points) -> Points:
    again = data.draw(_SLOTS)
    return sorted(points + [point for slot, point in enumerate(points) if slot in again])


def _shuffled(data: st.DataObject, points: Points) -> Points:
    order = data.draw(st.permutations(range(10)).filter(lambda one: list(one) != sorted(one)))
    return [points[slot] for slot in order]


def _shifted_clock(data: st.DataObject, points: Points) -> Points:
    minutes = data.draw(st.integers(1, 600)) * data.draw(st.sampled_from([1, -1]))
    return [(moment + timedelta(minutes=minutes), value) for moment, value in points]


def _wrong_unit(data: st.DataObject, points: Points) -> Points:
    # A fraction times ten thousand, or milliseconds for seconds: what leaves the range there can be.
    factor = data.draw(st.sampled_from([1e5, -1.0, -1e-3]))
    return [(moment, value * factor) for moment, value in points]


def _nothing(data: st.DataObject, points: Points) -> Points:
    return []


FAULTS = (
    _dropout,
    _zeros,
    _nulls,
    _infinities,
    _duplicates,
    _shuffled,
    _shifted_clock,
    _wrong_unit,
    _nothing,
)


def _drawn_series(gate: Any, data: st.DataObject) -> Points:
    level = data.draw(_LEVELS)
    values = [level * factor for factor in data.draw(_FACTORS)]
    return [(moment, value) for (moment, _), value in zip(gate.clean(), values, strict=True)]


# Each example judges a fleet at once; the budget is in examples, not in seconds.
EXAMPLES = 25 if settings().max_examples <= 100 else settings().max_examples // 4


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_withheld_truth_never_passes_and_clean_data_does(gate: Any, data: st.DataObject) -> None:
    """A fleet with one target for each fault and two clean ones, under names of any alphabet."""
    names = data.draw(st.lists(_NAMES, min_size=len(FAULTS) + 2, max_size=len(FAULTS) + 2, unique=True))
    faults = dict(zip(names, FAULTS, strict=False))
    fleet = {name: _drawn_series(gate, data) for name in names}
    fleet = {name: faults[name](data, points) if name in faults else points for name, points in fleet.items()}
    report = gate.judge(fleet)
    assert report.frame_problems == ()
    verdicts = {one.target: one.verdict for one in report.series}
    assert set(verdicts) == set(names)
    assert [(fault.__name__, fleet[name]) for name, fault in faults.items() if verdicts[name] is Verdict.PASS] == []
    assert [one.broken for one in report.series if one.target not in faults and one.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("verdict", [Verdict.DEGRADED, Verdict.FAIL])
def test_a_verdict_below_pass_always_has_a_broken_check(gate: Any, verdict: Verdict) -> None:
    """No verdict without a reason a person can read."""
    points = gate.clean()[1:] if verdict is Verdict.DEGRADED else gate.clean()[9:]
    series = gate.one(points)
    assert series.verdict is verdict
    assert all(check.observed and check.allowed for check in series.broken)
    assert max(check.severity.severity for check in series.broken) == verdict.severity
