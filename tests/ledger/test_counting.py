"""Events that wake only in number: by when they occurred, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from setpoint.events.arrivals import Arrival, CountRule, Wanted
from setpoint.ledger import Ledger
from setpoint.ledger.counting import reached
from setpoint.model import Event
from setpoint.testing.values import NOW

MakeEvent = Callable[..., Event]
MINUTE = timedelta(minutes=1)
MAX_AGE = timedelta(minutes=15)
THREE = CountRule("three", 3, MINUTE)


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(2, 6), st.integers(1, 100))
def test_an_event_is_reached_when_some_window_holds_enough(seconds: list[int], count: int, within: int) -> None:
    """The definition, tried window by window: one that begins with an event, holds it, and holds the number."""
    seconds.sort()
    moments = [NOW + timedelta(seconds=one) for one in seconds]
    expected = [
        any(
            start <= one <= start + within and sum(start <= other <= start + within for other in seconds) >= count
            for start in seconds
        )
        for one in seconds
    ]
    assert reached(moments, count, timedelta(seconds=within)) == expected


def send(
    ledger: Ledger, event: MakeEvent, name: str, second: float, *rules: CountRule, late: float = 0
) -> frozenset[str]:
    occurred, now = NOW + timedelta(seconds=second), NOW + timedelta(seconds=second + late)
    made = event(name, occurred).model_copy(update={"received_at": now})
    wanted = Wanted("web", timedelta(seconds=10), MAX_AGE, rules)
    return ledger.receive([Arrival(name, "queue", "", ((made, (wanted,)),))], now).woken


def test_the_policy_is_woken_by_the_event_that_makes_up_the_number(ledger: Ledger, event: MakeEvent) -> None:
    """Two are not enough; the third inside the minute wakes it, and the run is about all three."""
    assert not send(ledger, event, "a", 0, THREE)
    assert not send(ledger, event, "b", 30, THREE)
    assert ledger.pending_policies() == ()
    assert send(ledger, event, "c", 60, THREE) == {"web"}
    assert {one.event_id for one in ledger.take_events("web", "web/1", NOW + MINUTE)} == {"a", "b", "c"}
    ledger.close_events("web/1", "held", NOW + MINUTE)
    books = ledger.accounting(NOW)
    assert (books.acted_on, books.coalesced, books.waiting) == (1, 2, 0)


def test_events_too_far_apart_end_below_the_number(ledger: Ledger, event: MakeEvent) -> None:
    """They stay until nothing can complete the number any more, and then are accounted for as that."""
    for name, second in (("a", 0), ("b", 61), ("c", 122)):
        assert not send(ledger, event, name, second, THREE)
    end = NOW + timedelta(seconds=122) + MINUTE + MAX_AGE
    assert ledger.close_aged(end - timedelta(seconds=1)) == 2
    assert ledger.close_aged(end) == 1
    books = ledger.accounting(NOW)
    assert (books.receipts, books.below_count, books.missing) == (3, 3, 0)


def test_a_late_message_completes_the_number(ledger: Ledger, event: MakeEvent) -> None:
    """What counts is when they occurred, not in which order they arrived."""
    send(ledger, event, "first", 0, THREE)
    send(ledger, event, "third", 50, THREE)
    assert send(ledger, event, "second", 25, THREE, late=60) == {"web"}
    assert len(ledger.take_events("web", "web/1", NOW + 2 * MINUTE)) == 3


def test_events_of_two_rules_are_counted_apart(ledger: Ledger, event: MakeEvent) -> None:
    """An event may count for two triggers of a policy, and the first whose number is reached wakes it."""
    five = CountRule("five", 5, MINUTE)
    for n in range(2):
        assert not send(ledger, event, f"both{n}", n, THREE, five)
        assert not send(ledger, event, f"five{n}", n, five)
    assert send(ledger, event, "one more", 3, five) == {"web"}
    assert len(ledger.take_events("web", "web/1", NOW + MINUTE)) == 5


def test_a_request_is_not_counted(ledger: Ledger, event: MakeEvent) -> None:
    """A person is one, and enough."""
    asked = event("ask", request={})
    told = ledger.receive([Arrival("m", "queue", "", ((asked, (Wanted("web", rules=(THREE,)),)),))], NOW)
    assert told.woken == {"web"}


def test_events_that_reached_the_number_count_on(ledger: Ledger, event: MakeEvent) -> None:
    """A fourth inside the window of three has enough around it: it wakes the policy, or joins what is under way."""
    for n in range(3):
        send(ledger, event, f"e{n}", n, THREE)
    ledger.take_events("web", "web/1", NOW + timedelta(seconds=4))
    ledger.join_events("web/1", "web", NOW + timedelta(seconds=5))
    assert send(ledger, event, "fourth", 20, THREE) == {"web"}
