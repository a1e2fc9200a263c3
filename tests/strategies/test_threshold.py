"""The threshold strategy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.guards.reasons import PROPOSAL_CODES
from setpoint.strategies import STRATEGIES
from setpoint.strategies.threshold import ThresholdConfig, ThresholdStrategy
from setpoint.testing.values import a_signal, a_state


def config(**rules: Any) -> ThresholdConfig:
    """Out above 70 for 3 of 5 by 2; in below 30 for 4 of 5 by 1; rules are replaced."""
    return ThresholdConfig.model_validate(
        {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "p90"},
            "out": {"above": 70, "for": "3 of 5", "add": 2},
            "in": {"below": 30, "for": "4 of 5", "remove": 1},
            **rules,
        }
    )


@pytest.mark.parametrize(
    ("name", "points", "to_units", "code"),
    [
        ("enough above", [50, 80, 80, 80, 50], 6, "above_threshold"),
        ("enough below", [20, 20, 20, 20, 50], 3, "below_threshold"),
        ("too few of either", [80, 80, 50, 20, 20], 4, "within_thresholds"),
        ("on the upper threshold", [70] * 5, 4, "within_thresholds"),
        ("on the lower threshold", [30] * 5, 4, "within_thresholds"),
        ("no points", [], 4, "not_enough_points"),
        ("all missing", [None] * 5, 4, "not_enough_points"),
        ("fewer than N", [80, 80], 4, "not_enough_points"),
        ("missing points do not count as below", [20, 20, 20, None, None], 4, "not_enough_points"),
        ("missing points do not count as above", [80, 80, None, None, None], 4, "not_enough_points"),
        ("above with some missing", [None, 80, 80, 80, None], 6, "above_threshold"),
        ("below with one missing", [20, 20, None, 20, 20], 3, "below_threshold"),
        ("not a number is missing", [float("nan"), 20, 20, 20, float("inf")], 4, "not_enough_points"),
    ],
)
def test_proposes(name, points, to_units, code):
    """N of the newest M points decide; missing ones never do."""
    proposal = ThresholdStrategy.propose({"cpu": a_signal(points)}, a_state(desired=4), config())

    assert (to_units, code) == (proposal.to_units, proposal.reasons[0].code), name


def test_out_wins_over_in():
    """When both rules are met by different points, capacity is added."""
    points = [20, 20, 80, 80, 80, 20]
    both = config(
        out={"above": 70, "for": "3 of 6", "add": 1},
        **{"in": {"below": 30, "for": "3 of 6", "remove": 1}},
    )

    assert ThresholdStrategy.propose({"cpu": a_signal(points)}, a_state(desired=4), both).to_units == 5


def test_scaling_in_needs_to_know_that_nobody_needs_more():
    """Missing points that could meet the out rule forbid scaling in, though the in rule is met."""
    eager = config(
        out={"above": 70, "for": "2 of 5", "add": 1},
        **{"in": {"below": 30, "for": "3 of 5", "remove": 1}},
    )
    blind = ThresholdStrategy.propose({"cpu": a_signal([20, 20, 20, None, None])}, a_state(desired=4), eager)
    seeing = ThresholdStrategy.propose({"cpu": a_signal([20, 20, 20, 40, None])}, a_state(desired=4), eager)

    assert (blind.to_units, blind.reasons[0].code) == (4, "not_enough_points")
    assert seeing.to_units == 3


def test_steps_in_percent_of_what_there_is():
    """A step in percent is taken of the desired capacity and is never less than one unit."""
    percent = config(out={"above": 70, "for": "1 of 1", "add": "50%"})

    assert ThresholdStrategy.propose({"cpu": a_signal([80])}, a_state(desired=10), percent).to_units == 15
    assert ThresholdStrategy.propose({"cpu": a_signal([80])}, a_state(desired=0), percent).to_units == 1


def test_never_proposes_less_than_nothing():
    """Removing more than there is leaves nothing."""
    big = config(**{"in": {"below": 30, "for": "1 of 1", "remove": 9}})

    assert ThresholdStrategy.propose({"cpu": a_signal([10] * 5)}, a_state(desired=4), big).to_units == 0


@pytest.mark.parametrize("side", ["out", "in"])
def test_one_rule_alone_works_in_its_direction_only(side):
    """A strategy with one rule never moves the other way."""
    other = {"out": "in", "in": "out"}[side]
    alone = config(**{other: None})
    towards, away = ([80] * 5, [20] * 5) if side == "out" else ([20] * 5, [80] * 5)

    assert ThresholdStrategy.propose({"cpu": a_signal(towards)}, a_state(desired=4), alone).to_units != 4
    assert ThresholdStrategy.propose({"cpu": a_signal(away)}, a_state(desired=4), alone).to_units == 4


def test_holds_without_its_signal():
    """A target without the signal is left alone, and the reason says so."""
    proposal = ThresholdStrategy.propose({}, a_state(desired=4), config())

    assert (proposal.to_units, proposal.reasons[0].code) == (4, "no_signal")


def test_the_aggregate_is_reported_and_decides_nothing():
    """The aggregate over the window stands in the text; the points decide, whatever it is."""
    low = ThresholdStrategy.propose({"cpu": a_signal([80] * 5, value=1.0)}, a_state(desired=4), config())

    assert low.to_units == 6
    assert "p90 over the window: 1" in low.reasons[0].text


def test_is_registered():
    """The policy's word ``threshold`` finds this strategy."""
    assert ThresholdStrategy is STRATEGIES.load("threshold")


@given(
    points=st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=12),
    desired=st.integers(0, 50),
    step=st.integers(1, 60) | st.floats(0.5, 400).map(lambda percent: f"{percent:.1f}%"),
)
def test_always_answers(points, desired, step):
    """For any points there is a proposal with a known reason, the same each time, and no change without N points."""
    rules = config(
        out={"above": 70, "for": "3 of 5", "add": step},
        **{"in": {"below": 30, "for": "4 of 5", "remove": step}},
    )
    signal, state = a_signal([]).model_copy(update={"points": tuple(points)}), a_state(desired=desired)
    proposal = ThresholdStrategy.propose({"cpu": signal}, state, rules)
    finite = [one for one in points[-5:] if one is not None and one - one == 0]

    assert proposal == ThresholdStrategy.propose({"cpu": signal}, state, rules)
    assert proposal.reasons[0].code in PROPOSAL_CODES
    assert proposal.reasons[0].text.strip()
    if proposal.to_units > desired:
        assert sum(one > 70 for one in finite) >= 3
    if proposal.to_units < desired:
        assert sum(one < 30 for one in finite) >= 4
