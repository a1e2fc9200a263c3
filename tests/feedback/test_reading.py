"""One health metric before and after."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.feedback.reading import Measurement, read_health
from setpoint.model import HealthReading, HealthVerdict
from setpoint.policy.schema import HealthLimit

IMPROVED, HEALTHY = HealthVerdict.IMPROVED, HealthVerdict.HEALTHY
DEGRADED, INCONCLUSIVE = HealthVerdict.DEGRADED, HealthVerdict.INCONCLUSIVE

MAX = {"max": 250}
MIN = {"min": 100}
RATIO = {"no_worse_than": "1.1x"}
BOTH = {**MAX, **RATIO}
BAND = {"min": 100, "max": 250}


def read(limit: dict, before: float | None, after: float | None, samples: tuple[int, int] = (5, 5)) -> HealthReading:
    """Judge latency with at least three samples on each side."""
    return read_health(
        "latency", HealthLimit.model_validate(limit), 3, Measurement(before, samples[0]), Measurement(after, samples[1])
    )


@pytest.mark.parametrize(
    ("name", "limit", "before", "after", "verdict"),
    [
        ("inside, as before", MAX, 200, 205, HEALTHY),
        ("inside, however far it moved", MAX, 50, 240, HEALTHY),
        ("on the limit is inside", MAX, 250, 250, HEALTHY),
        ("inside, clearly better", MAX, 200, 150, IMPROVED),
        ("inside, a little better", MAX, 200, 185, HEALTHY),
        ("was beyond, is inside", MAX, 260, 249, IMPROVED),
        ("beyond and worse", MAX, 200, 300, DEGRADED),
        ("beyond before, worse still", MAX, 300, 310, DEGRADED),
        ("beyond before, the same", MAX, 300, 300, INCONCLUSIVE),
        ("beyond before, better but not inside", MAX, 400, 300, INCONCLUSIVE),
        ("beyond, worse than the factor allows", BOTH, 240, 265, DEGRADED),
        ("beyond, within the factor", BOTH, 240, 255, INCONCLUSIVE),
        ("inside, worse than the factor", BOTH, 100, 200, HEALTHY),
        ("factor alone, kept", RATIO, 100, 110, HEALTHY),
        ("factor alone, broken", RATIO, 100, 111, DEGRADED),
        ("factor alone, clearly better", RATIO, 100, 80, IMPROVED),
        ("factor of nothing: anything is worse", RATIO, 0, 1, DEGRADED),
        ("factor of nothing: nothing is as before", RATIO, 0, 0, HEALTHY),
        ("factor of a negative value", RATIO, -5, -5, INCONCLUSIVE),
        ("below the least and worse", MIN, 150, 80, DEGRADED),
        ("below the least, better than before", MIN, 50, 80, INCONCLUSIVE),
        ("was below, is above", MIN, 90, 101, IMPROVED),
        ("above the least, clearly more", MIN, 150, 200, IMPROVED),
        ("below the least, within the factor", {**MIN, **RATIO}, 105, 99, INCONCLUSIVE),
        ("below the least, beyond the factor", {**MIN, **RATIO}, 120, 99, DEGRADED),
        ("inside a band nothing is better", BAND, 240, 110, HEALTHY),
        ("above a band", BAND, 200, 260, DEGRADED),
        ("below a band", BAND, 200, 90, DEGRADED),
        ("back into a band", BAND, 300, 200, IMPROVED),
    ],
)
def test_the_verdict_table(name, limit, before, after, verdict):
    """Limits say what is healthy, the value before says whose fault it is."""
    assert read(limit, before, after).verdict is verdict, name


@pytest.mark.parametrize(
    ("name", "limit", "before", "after", "samples", "verdict"),
    [
        ("nothing after", MAX, 200, None, (5, 0), INCONCLUSIVE),
        ("too little after", MAX, 200, 100, (5, 2), INCONCLUSIVE),
        ("not a number after", MAX, 200, math.nan, (5, 5), INCONCLUSIVE),
        ("infinite after", MAX, 200, math.inf, (5, 5), INCONCLUSIVE),
        ("nothing before, the factor needs it", RATIO, None, 100, (0, 5), INCONCLUSIVE),
        ("nothing before, limit and factor", BOTH, None, 100, (0, 5), INCONCLUSIVE),
        ("too little before, beyond the limit", MAX, 200, 300, (2, 5), INCONCLUSIVE),
        ("nothing before, inside the limit", MAX, None, 100, (0, 5), HEALTHY),
        ("exactly enough", MAX, 200, 300, (3, 3), DEGRADED),
    ],
)
def test_too_little_evidence(name, limit, before, after, samples, verdict):
    """Without enough samples nothing is concluded that needs them."""
    assert read(limit, before, after, samples).verdict is verdict, name


def test_says_the_numbers():
    """The text has both values, the limit broken and the factor; the limit reads as words."""
    found = read(BOTH, 180, 312.5)

    assert found.text == "mean of latency went from 180 to 312.5 (above 250), worse than 1.1x allows"
    assert found.limit == "at most 250, no worse than 1.1x the value before"
    assert (found.before, found.after, found.samples_before, found.samples_after) == (180, 312.5, 5, 5)


def test_says_what_is_missing():
    """A reading without evidence says how many samples there were and how many it takes."""
    assert read(MAX, 200, None, (5, 1)).text == (
        "mean of latency cannot be judged: 1 of the 3 samples needed after the change"
    )


@given(
    limit=st.sampled_from([MAX, MIN, RATIO, BOTH, BAND]),
    before=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    after=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    samples=st.tuples(st.integers(0, 6), st.integers(0, 6)),
)
def test_always_judges_and_never_calls_missing_data_healthy(limit, before, after, samples):
    """Any two numbers have a verdict; without evidence after, or a finite value, it is inconclusive."""
    found = read(limit, before, after, samples)

    assert found.text
    assert HealthReading.model_validate(found.to_json()) == found
    if samples[1] < 3 or after is None or not math.isfinite(after):
        assert found.verdict is INCONCLUSIVE
    if found.verdict in (DEGRADED, IMPROVED):
        assert samples[0] >= 3
        assert found.before is not None
    if found.verdict in (HEALTHY, IMPROVED):
        assert "max" not in limit or found.after <= limit["max"]
        assert "min" not in limit or found.after >= limit["min"]
