"""The token bucket: what it lets through, with a clock of the test's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from setpoint.events.rates import TokenBucket


def test_so_many_at_once_then_so_many_a_minute() -> None:
    """Three at once, then one every second, and it says how long to wait."""
    bucket = TokenBucket(per_minute=60, burst=3)
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(0.0) == 1.0
    assert bucket.take(0.5) == 0.5
    assert bucket.take(1.0) == 0.0
    assert bucket.take(1.0) > 0


def test_a_long_rest_gives_the_burst_and_no_more() -> None:
    """Tokens do not pile up over a night."""
    bucket = TokenBucket(per_minute=600, burst=2)
    bucket.take(0.0)
    assert [bucket.take(86_400.0) == 0.0 for _ in range(3)] == [True, True, False]


@given(st.lists(st.floats(0, 300), max_size=200), st.integers(1, 600), st.integers(1, 20))
def test_never_more_than_burst_and_rate_allow(moments: list[float], per_minute: int, burst: int) -> None:
    """Over any time span, at most the burst and what came back meanwhile; also when a clock goes back."""
    bucket = TokenBucket(per_minute, burst)
    taken = sum(bucket.take(at) == 0.0 for at in moments)
    span = max(moments, default=0.0) - (moments[0] if moments else 0.0)
    assert taken <= burst + span * per_minute / 60 + 1e-6
