"""The state of an alarm from its datapoints: the examples of AWS's documentation, and what must always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.lab.aws.alarm_rules import COMPARISONS, MISSING_DATA, Rule, State, judge

STATES: dict[str, State] = {"A": "ALARM", "O": "OK", "I": "INSUFFICIENT_DATA"}


def _points(drawn: str) -> list[float | None]:
    """Read `0 - X`, oldest first, as AWS draws it: 0 within, X breaching, - missing."""
    values = {"0": 0.0, "X": 100.0, "-": None}
    return [values[mark] for mark in reversed(drawn.split())]


# Columns: missing, ignore, breaching, notBreaching; "=" retains the current state.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
THREE_OF_THREE = [
    ("0 - X - X", "O", "O", "O", "O"),
    ("- - - - 0", "O", "O", "O", "O"),
    ("- - - - -", "I", "=", "A", "O"),
    ("0 X X - X", "A", "A", "A", "A"),
    ("- - X - -", "A", "=", "A", "O"),
]
TWO_OF_THREE = [
    ("0 - X - X", "A", "A", "A", "A"),
    ("0 0 X 0 X", "A", "A", "A", "A"),
    ("0 - X - -", "O", "O", "A", "O"),
    ("- - - - 0", "O", "O", "A", "O"),
    ("- - - X -", "A", "=", "A", "O"),
]


@pytest.mark.parametrize("current", ["OK", "ALARM", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize(("needed", "row"), [(3, row) for row in THREE_OF_THREE] + [(2, row) for row in TWO_OF_THREE])
def test_missing_data_is_treated_as_documented(needed: int, row: tuple[str, ...], current: State) -> None:
    """Every row of AWS's two tables gives the documented state for each way to treat missing data."""
    drawn, *expected = row
    for treatment, mark in zip(("missing", "ignore", "breaching", "notBreaching"), expected, strict=True):
        rule = Rule("GreaterThanThreshold", 50.0, 3, needed, treatment)
        assert judge(rule, _points(drawn), current).state == STATES.get(mark, current), treatment


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=8),
    st.floats(-1e6, 1e6),
    st.sampled_from(sorted(COMPARISONS)),
    st.integers(1, 3),
    st.sampled_from(MISSING_DATA),
)
def test_without_missing_data_it_is_n_of_m(
    points: list[float], threshold: float, comparison: str, needed: int, treatment: str
) -> None:
    """With all datapoints there, the newest three decide, and the treatment of missing data does not matter."""
    rule = Rule(comparison, threshold, 3, needed, treatment)
    breaching = sum(rule.breaches(value) for value in points[:3])
    verdict = judge(rule, points, "INSUFFICIENT_DATA")
    assert verdict.state == ("ALARM" if breaching >= needed else "OK")
    assert (verdict.evaluated, verdict.missing) == (tuple(points[:3]), 0)
