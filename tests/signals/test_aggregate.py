"""Signals of a fleet from a batch."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.model import FRAME_COLUMNS, Completeness, MetricBatch, SeriesStatus, Signal, Window
from setpoint.policy.schema import Policy
from setpoint.signals import aggregate, wanted_pairs, window_aggregates
from setpoint.signals.reduce import aggregate_values
from setpoint.testing.values import NOW, a_policy

Point = tuple[datetime, str, str, float]


def _frame(points: list[Point]) -> pd.DataFrame:
    frame = pd.DataFrame(points, columns=list(FRAME_COLUMNS))
    return frame.astype({"timestamp": "datetime64[us, UTC]", "target": "str", "metric": "str", "value": "float64"})


def _policy() -> Policy:
    metric = {"source": "aws.cloudwatch", "namespace": "AWS/EC2", "name": "x", "statistic": "Average", "period": "1m"}
    return a_policy(
        metrics={"cpu": {**metric, "window": "5m"}, "latency": {**metric, "window": "3m", "settle": "1m"}},
        feedback={"after": "5m", "healthy": {"latency": {"aggregate": "max", "max": 250}, "cpu": {"max": 90}}},
    )


def _batch(policy: Policy, targets: tuple[str, ...] = ("web-1", "web-2")) -> MetricBatch:
    return MetricBatch(
        batch_id="b",
        policy=policy.name,
        uri="/nowhere",
        window=Window(start=NOW - timedelta(minutes=5), end=NOW),
        rows=0,
        sha256="0" * 64,
        series=tuple(
            SeriesStatus(
                target=target,
                metric=metric,
                status=Completeness.COMPLETE,
                points=0,
                expected_points=config.expected_points,
                period_seconds=60,
            )
            for target in targets
            for metric, config in policy.metrics.items()
        ),
        pulled_at=NOW,
    )


def _ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def _signals(points: list[Point]) -> dict[tuple[str, str, str], Signal]:
    policy = _policy()
    found = aggregate(_frame(points), _batch(policy), policy)
    return {(one.target, one.metric, one.aggregate): one for one in found}


def test_pairs_are_the_strategys_and_the_health_limits_once() -> None:
    """What the strategy reads comes first; a pair wanted twice is computed once."""
    assert wanted_pairs(_policy()) == (("cpu", "p90"), ("latency", "max"), ("cpu", "mean"))
    assert wanted_pairs(a_policy(feedback={"after": "5m", "healthy": {"cpu": {"aggregate": "p90", "max": 90}}})) == (
        ("cpu", "p90"),
    )


def test_points_stand_in_their_periods_and_gaps_stay_gaps() -> None:
    """Five periods, three points: two are ``None``; order in the frame does not matter."""
    signal = _signals([(_ago(1), "web-1", "cpu", 3), (_ago(5), "web-1", "cpu", 1), (_ago(3), "web-1", "cpu", 2)])[
        "web-1", "cpu", "mean"
    ]
    assert signal.points == (1.0, None, 2.0, None, 3.0)
    assert (signal.value, signal.samples, signal.coverage, signal.age_seconds) == (2.0, 3, 0.6, 60.0)


def test_nothing_is_nothing() -> None:
    """A target without a point has signals without a value, and no age."""
    signals = _signals([(_ago(1), "web-1", "cpu", 3)])
    silent = signals["web-2", "cpu", "p90"]
    assert (silent.value, silent.points, silent.samples, silent.coverage, silent.age_seconds) == (
        None,
        (None,) * 5,
        0,
        0.0,
        None,
    )
    assert len(signals) == 6


def test_an_empty_frame_has_signals_for_all() -> None:
    """Every target asked for gets its signals, empty ones."""
    assert all(one.value is None for one in _signals([]).values())
    assert len(_signals([])) == 6


def test_null_and_infinite_values_are_missing() -> None:
    """A strategy never sees a value that is not a number."""
    signal = _signals(
        [(_ago(2), "web-1", "cpu", np.nan), (_ago(1), "web-1", "cpu", np.inf), (_ago(3), "web-1", "cpu", 4)]
    )["web-1", "cpu", "p90"]
    assert signal.points == (None, None, 4.0, None, None)
    assert (signal.value, signal.age_seconds) == (4.0, 180.0)


def test_each_metric_has_its_own_window() -> None:
    """A point younger than the settle offset, or older than the window, is no point of the series."""
    signal = _signals([(_ago(age), "web-1", "latency", age) for age in (5, 4, 3, 2, 1)])["web-1", "latency", "max"]
    assert signal.points == (4.0, 3.0, 2.0)
    assert (signal.value, signal.age_seconds) == (4.0, 60.0)


def test_the_newest_of_a_period_counts() -> None:
    """Two points in one period are one value, whatever their order in the frame."""
    points: list[Point] = [(_ago(0.5), "web-1", "cpu", 9), (_ago(1), "web-1", "cpu", 1)]
    for order in (points, points[::-1]):
        assert _signals(order)["web-1", "cpu", "mean"].points[-1] == 9


def test_a_point_in_the_future_has_a_negative_age() -> None:
    """A clock that runs ahead is visible in the signal."""
    assert _signals([(_ago(-2), "web-1", "cpu", 9)])["web-1", "cpu", "mean"].age_seconds == -120


def test_rows_nobody_asked_for_do_not_count() -> None:
    """Another target's or metric's rows change nothing."""
    signals = _signals([(_ago(1), "stranger", "cpu", 9), (_ago(1), "web-1", "memory", 9)])
    assert all(one.value is None for one in signals.values())


@given(data=st.data())
def test_a_fleet_is_the_sum_of_its_targets(data: st.DataObject) -> None:
    """Each signal is what plain Python makes of its own points, whatever the other targets do and the rows' order."""
    slots = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=5, max_size=5)
    fleet = data.draw(st.dictionaries(st.text(min_size=1, max_size=8), slots, min_size=1, max_size=5))
    points = [
        (_ago(5 - slot), target, "cpu", value)
        for target, values in fleet.items()
        for slot, value in enumerate(values)
        if value is not None
    ]
    policy = _policy()
    found = aggregate(_frame(data.draw(st.permutations(points))), _batch(policy, tuple(fleet)), policy)
    for signal in found:
        if signal.metric == "cpu":
            expected = aggregate_values(fleet[signal.target], signal.aggregate)
            assert signal.points == tuple(fleet[signal.target])
            assert signal.value == (None if expected is None else pytest.approx(expected))


def test_window_aggregates_answer_every_triple() -> None:
    """Value and samples for each target, metric and aggregate; ``(None, 0)`` where there is nothing."""
    points: list[Point] = [(_ago(3), "a", "cpu", 1), (_ago(2), "a", "cpu", 2), (_ago(1), "a", "cpu", np.nan)]
    points += [(_ago(9), "b", "latency", 7), (_ago(1), "c", "cpu", 99)]
    found = window_aggregates(_frame(points), [("cpu", "mean"), ("cpu", "last"), ("latency", "p95")], ["a", "b"])
    assert found == {
        ("a", "cpu", "mean"): (1.5, 2),
        ("a", "cpu", "last"): (2.0, 2),
        ("a", "latency", "p95"): (None, 0),
        ("b", "cpu", "mean"): (None, 0),
        ("b", "cpu", "last"): (None, 0),
        ("b", "latency", "p95"): (7.0, 1),
    }


def test_window_aggregates_of_nothing() -> None:
    """An empty frame, no pair and no target are all fine."""
    empty: Any = _frame([])
    assert window_aggregates(empty, [("cpu", "mean")], ["a"]) == {("a", "cpu", "mean"): (None, 0)}
    assert window_aggregates(empty, [], ["a"]) == {}
    assert window_aggregates(empty, [("cpu", "mean")], []) == {}
