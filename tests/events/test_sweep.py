"""When a waiting policy is woken again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from setpoint.events.sweep import PACE_SECONDS, SweepSchedule


def test_a_waiting_policy_is_woken_ever_less_often() -> None:
    """At once, then after 30, 60, 120 and again 120 seconds."""
    schedule = SweepSchedule()
    woken = [second for second in range(500) if schedule.due(["web"], float(second))]
    assert woken == [0, 30, 90, 210, 330, 450]


def test_a_policy_that_no_longer_waits_is_forgotten() -> None:
    """The next time it waits it is woken at once."""
    schedule = SweepSchedule()
    assert schedule.due(["web"], 0.0) == {"web"}
    assert schedule.due([], 1.0) == frozenset()
    assert schedule.due(["web"], 2.0) == {"web"}


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abcd")), st.floats(0.1, 100)), min_size=1, max_size=50))
def test_only_waiting_policies_are_woken_and_none_starves(steps: list[tuple[frozenset[str], float]]) -> None:
    """Whoever waits without a break for the longest pace is woken at least once in it."""
    schedule, now = SweepSchedule(), 0.0
    last: dict[str, float] = {}
    for waiting, wait in steps:
        now += wait
        due = schedule.due(waiting, now)
        assert due <= waiting
        last = {name: now if name in due else last[name] for name in waiting if name in due or name in last}
        assert waiting == set(last)
        assert all(now - at < max(PACE_SECONDS) for at in last.values())
