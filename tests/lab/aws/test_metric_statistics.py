"""Statistics over periods, against numpy and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.lab.aws.statistics import aggregate, is_statistic
from setpoint.lab.aws.store import MetricKey, MetricStore, Sample

KEY = MetricKey.of("T", "m", [("b", "2"), ("a", "1")])


def _store(samples: list[Sample]) -> MetricStore:
    store = MetricStore()
    store.put(KEY, samples, resolution=1)
    return store


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=299),
            st.floats(min_value=-1e6, max_value=1e6),
            st.integers(min_value=1, max_value=4),
        ),
        min_size=1,
        max_size=80,
    ),
    st.sampled_from([1, 5, 10, 30, 60]),
    st.sampled_from([0, 50, 90, 95, 99.9, 100]),
)
def test_percentiles_equal_numpys(points: list[tuple[int, float, int]], period: int, rank: float) -> None:
    """A percentile of every period equals numpy's linear one over the values, each as often as it was counted."""
    columns = _store([Sample.of_value(t, value, count) for t, value, count in points]).read(KEY, 0, 300)
    result = aggregate(columns, f"p{rank:g}", period)
    expected: dict[int, list[float]] = {}
    for moment, value, count in points:
        expected.setdefault(moment // period * period, []).extend([value] * count)
    assert result.times.tolist() == sorted(expected)
    for moment, value in zip(result.times, result.values, strict=True):
        assert value == pytest.approx(np.percentile(expected[int(moment)], rank), rel=1e-9, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 119), st.floats(-1e6, 1e6)), min_size=1, max_size=50))
def test_simple_statistics_equal_their_definitions(points: list[tuple[int, float]]) -> None:
    """Sum, Average, Minimum, Maximum and SampleCount are what they are called, whatever the order of arrival."""
    columns = _store([Sample.of_value(t, value) for t, value in points]).read(KEY, 0, 120)
    first = [value for moment, value in points if moment < 60] or [value for _, value in points]
    values = {name: aggregate(columns, name, 60).values[0] for name in ("Sum", "Average", "Minimum", "Maximum")}
    assert values["Sum"] == pytest.approx(sum(first), abs=1e-3)
    assert values["Average"] == pytest.approx(sum(first) / len(first), abs=1e-3)
    assert (values["Minimum"], values["Maximum"]) == (min(first), max(first))
    assert aggregate(columns, "SampleCount", 60).values[0] == len(first)


def test_a_statistic_set_counts_but_has_no_percentile() -> None:
    """A statistic set adds to sum and count, and takes the percentile from its period, as CloudWatch documents."""
    columns = _store([Sample(5, 4, 40, 5, 15), Sample.of_value(65, 7)]).read(KEY, 0, 120)
    assert aggregate(columns, "Average", 60).values.tolist() == [10, 7]
    assert aggregate(columns, "Maximum", 60).values.tolist() == [15, 7]
    percentiles = aggregate(columns, "p90", 60)
    assert (percentiles.times.tolist(), percentiles.values.tolist()) == ([60], [7])


def test_a_trimmed_mean_leaves_out_the_highest() -> None:
    """tm90 of ten values is the mean of the lowest nine."""
    columns = _store([Sample.of_value(1, value) for value in (1, 2, 3, 4, 5, 6, 7, 8, 9, 1000)]).read(KEY, 0, 60)
    assert aggregate(columns, "tm90", 60).values.tolist() == [5]


def test_periods_start_at_multiples_of_their_length() -> None:
    """A point at 61.9 s belongs to the period that starts at 60 s."""
    columns = _store([Sample.of_value(61.9, 1), Sample.of_value(59.9, 2)]).read(KEY, 0, 120)
    assert aggregate(columns, "Sum", 10).times.tolist() == [50, 60]


def test_standard_resolution_keeps_minutes_only() -> None:
    """What is published at standard resolution is found at its minute."""
    store = MetricStore()
    store.put(KEY, [Sample.of_value(119.0, 5)])
    assert store.read(KEY, 60, 61).times.tolist() == [60]


def test_dimensions_make_another_metric() -> None:
    """The same name with other dimensions is another metric; their order does not matter."""
    store = _store([Sample.of_value(1, 5)])
    assert store.read(MetricKey.of("T", "m", [("a", "1"), ("b", "2")]), 0, 9).times.size == 1
    assert store.read(MetricKey.of("T", "m", [("a", "1")]), 0, 9).times.size == 0
    assert store.read(MetricKey.of("T", "m", []), 0, 9).times.size == 0


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("p50", "p99.9", "p100", "tm95", "SampleCount")),
        *((name, False) for name in ("p101", "p-1", "average", "p", "TM(10%:90%)", "")),
    ],
)
def test_unknown_statistics_are_told_apart(name: str, known: bool) -> None:
    """Only statistics that can be computed are accepted; the others raise and name what is allowed."""
    assert is_statistic(name) is known
    if not known:
        with pytest.raises(ValueError, match="allowed: Average"):
            aggregate(_store([]).read(KEY, 0, 1), name, 60)
