"""The aggregates, against numpy's and by property."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.signals.reduce import aggregate_rows, aggregate_values, percentile_of

_VALUES = st.floats(min_value=-1e9, max_value=1e9, allow_subnormal=False)
_ROWS = st.lists(st.one_of(st.none(), _VALUES), max_size=30)
_AGGREGATES = st.sampled_from(["mean", "min", "max", "sum", "last", "p0", "p50", "p90", "p99.9", "p100"])


@pytest.mark.parametrize(
    ("values", "aggregate", "expected"),
    [
        ([1, 2, 3, 4], "mean", 2.5),
        ([1, 2, 3, 4], "sum", 10),
        ([4, 1, 3], "min", 1),
        ([4, 1, 3], "max", 4),
        ([4, 1, 3], "last", 3),
        ([4, 1, None], "last", 1),
        ([1, 2, 3, 4], "p50", 2.5),
        ([10, 20, 30, 40, 50], "p90", 46),
        ([7], "p99", 7),
        ([None, 5, None, 7], "mean", 6),
        ([0, 0], "sum", 0),
        ([], "mean", None),
        ([None, None], "sum", None),
        ([None], "p95", None),
        ([float("nan"), float("inf")], "max", None),
        ([3, float("inf")], "max", 3),
        ([1e308, 1e308], "sum", None),
    ],
)
def test_an_aggregate_has_its_value(values: list[float | None], aggregate: str, expected: float | None) -> None:
    """What is missing does not count, and nothing but missing values gives nothing."""
    assert aggregate_values(values, aggregate) == (None if expected is None else pytest.approx(expected))


@given(values=_ROWS, aggregate=_AGGREGATES)
def test_an_aggregate_agrees_with_numpy(values: list[float | None], aggregate: str) -> None:
    """Mean, extremes and percentiles are numpy's (``linear``) over the values that are there."""
    there = [value for value in values if value is not None]
    found = aggregate_values(values, aggregate)
    if not there:
        assert found is None
    elif aggregate == "last":
        assert found == there[-1]
    elif aggregate.startswith("p"):
        assert found == pytest.approx(float(np.percentile(there, percentile_of(aggregate))), rel=1e-9, abs=1e-6)
    else:
        assert found == pytest.approx(float(getattr(np, aggregate)(there)), rel=1e-9, abs=1e-6)


@given(rows=st.lists(st.lists(_VALUES, min_size=4, max_size=4), min_size=1, max_size=6), aggregate=_AGGREGATES)
def test_rows_do_not_influence_each_other(rows: list[list[float]], aggregate: str) -> None:
    """A fleet's values are those of each target alone, also beside an empty series."""
    matrix = np.array([*rows, [np.nan] * 4])
    together = aggregate_rows(matrix, aggregate)
    alone = [aggregate_rows(matrix[[row]], aggregate)[0] for row in range(len(matrix))]
    np.testing.assert_array_equal(together, alone)
    assert np.isnan(together[-1])


@pytest.mark.parametrize("aggregate", ["median", "p101", "p", "p-1", "", "pnan"])
def test_an_unknown_aggregate_is_refused(aggregate: str) -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="mean, min, max, sum, last and p0 to p100"):
        aggregate_values([1.0], aggregate)


def test_no_column_is_nothing_to_aggregate() -> None:
    """A matrix without a point gives no value, for every aggregate."""
    for aggregate in ("mean", "min", "max", "sum", "last", "p90"):
        assert np.isnan(aggregate_rows(np.empty((2, 0)), aggregate)).all()
