"""N of the newest M points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.policy.fields import OfPoints
from setpoint.strategies.tally import count_beyond
from setpoint.strategies.threshold import Above, Below, breaches

POINTS = st.lists(st.none() | st.floats(0, 100), max_size=20)
RULES = st.integers(1, 10).flatmap(lambda m: st.builds(OfPoints, n=st.integers(1, m), m=st.just(m)))


@pytest.mark.parametrize(
    ("name", "points", "of", "met", "possible"),
    [
        ("exactly N", [80, 80, 80, 10, 10], (3, 5), True, True),
        ("one too few", [80, 80, 10, 10, 10], (3, 5), False, False),
        ("only the newest M count", [80, 80, 80, 10, 10, 10], (3, 5), False, False),
        ("on the threshold is not beyond it", [70, 70, 70], (3, 3), False, False),
        ("a missing point might have been", [80, 80, None, 10, 10], (3, 5), False, True),
        ("fewer than M points have the oldest missing", [80, 80], (2, 5), True, True),
        ("no points at all", [], (1, 1), False, True),
        ("NaN is missing", [math.nan, 80, 80], (3, 3), False, True),
        ("infinity is missing", [math.inf, 80, 80], (3, 3), False, True),
    ],
)
def test_counts_the_newest(name, points, of, met, possible):
    """A rule is met by N present points, and possible when the missing ones could make up for it."""
    tally = count_beyond(points, OfPoints(n=of[0], m=of[1]), "above", 70)

    assert (met, possible) == (tally.met, tally.possible), name


def test_says_the_numbers():
    """A tally reads as a phrase with the values, what is missing and what is needed."""
    tally = count_beyond([71.25, 75, None, 90, 12], OfPoints(n=3, m=5), "above", 70)

    assert str(tally) == "3 of the newest 5 points above 70 (71.25, 75, 90), 1 missing; needs 3"


def test_says_only_the_newest_of_many_values():
    """A tally over a thousand points stays a readable phrase."""
    tally = count_beyond([80.0] * 1000, OfPoints(n=900, m=1000), "above", 70)

    assert len(str(tally)) < 200
    assert "(…, 80," in str(tally)


@given(points=POINTS, of=RULES, threshold=st.floats(0, 100))
def test_a_missing_point_never_helps(points, of, threshold):
    """Taking a point away never makes a rule met that was not met with it."""
    before = count_beyond(points, of, "above", threshold)
    for index in range(len(points)):
        fewer = [None if at == index else point for at, point in enumerate(points)]
        assert before.met or not count_beyond(fewer, of, "above", threshold).met


@given(points=POINTS, of=RULES)
def test_above_and_below_exclude_each_other(points, of):
    """With thresholds apart, the same majority of points never meets both rules."""
    above = breaches(points, Above.model_validate({"above": 70, "for": f"{of.m} of {of.m}", "add": 1}))
    below = breaches(points, Below.model_validate({"below": 30, "for": f"{of.m} of {of.m}", "remove": 1}))

    assert not (above and below)
