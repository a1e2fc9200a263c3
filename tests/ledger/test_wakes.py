"""When a policy is woken: at once, at the debounce's end, again when a wake-up was lost; never for every event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.ledger import Ledger
from setpoint.ledger.wakes import PACE, RELEASED
from setpoint.model import Event
from setpoint.testing.values import NOW

MakeEvent = Callable[..., Event]
DEBOUNCE = timedelta(seconds=10)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Inbox:
    """Sends one event after the other to the policy ``web``, and says who was woken."""

    def __init__(self, ledger: Ledger, event: MakeEvent) -> None:
        self.ledger, self._event, self._sent = ledger, event, 0

    def send(self, seconds: float, *, here: bool = True, **fields: object) -> bool:
        self._sent += 1
        at = after(seconds)
        name = f"e{self._sent}"
        made = Arrival(name, "queue", "", ((self._event(name, at, **fields), (Wanted("web", DEBOUNCE),)),))
        return "web" in self.ledger.receive([made], at, listening=("web",) if here else ()).woken

    def due(self, seconds: float) -> bool:
        return "web" in self.ledger.claim_wakes({"web"}, after(seconds))

    def run(self, number: int, seconds: float) -> list[str]:
        return [one.event_id for one in self.ledger.take_events("web", f"web/{number}", after(seconds))]

    def pull(self, number: int, seconds: float) -> tuple[str, ...]:
        return self.ledger.join_events(f"web/{number}", "web", after(seconds))


def test_the_first_event_acts_at_once_and_late_ones_join_it(ledger: Ledger, event: MakeEvent) -> None:
    """Ten events for one breach before the metrics are pulled: one wake-up, one run, and it knows all ten."""
    inbox = Inbox(ledger, event)
    assert inbox.send(0)
    assert not any(inbox.send(0.1 * n) for n in range(1, 5))
    assert inbox.run(1, 0.5) == ["e1", "e2", "e3", "e4", "e5"]
    assert not any(inbox.send(0.5 + 0.1 * n) for n in range(1, 6))
    assert inbox.pull(1, 1.5) == ("e6", "e7", "e8", "e9", "e10")
    assert not any(inbox.due(seconds) for seconds in (1.6, 5, 10, 11, 100))
    assert [(one.event.event_id, one.joined) for one in ledger.events_of("web/1")][:2] == [("e1", False), ("e2", True)]
    ledger.close_events("web/1", "acted", after(3))
    books = ledger.accounting(NOW)
    assert (books.acted_on, books.coalesced) == (1, 9)


def test_events_after_the_pull_cause_exactly_one_more_run(ledger: Ledger, event: MakeEvent) -> None:
    """At the debounce's end, however many they are; the second run's window begins there."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    inbox.run(1, 0.5)
    inbox.pull(1, 1)
    assert not any(inbox.send(1 + n) for n in range(1, 6))
    assert not inbox.due(9.9)
    assert inbox.due(10)
    assert not inbox.due(10.1)
    assert inbox.run(2, 10.5) == ["e2", "e3", "e4", "e5", "e6"]
    inbox.pull(2, 11)
    assert not inbox.send(12)
    assert not inbox.due(19.9)
    assert inbox.due(20)


def test_a_first_event_after_the_window_acts_at_once(ledger: Ledger, event: MakeEvent) -> None:
    """What comes later than the debounce after the last wake-up waits for nothing."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    inbox.run(1, 0.5)
    inbox.pull(1, 1)
    assert inbox.send(10)


def test_a_pull_that_is_repeated_joins_once_more(ledger: Ledger, event: MakeEvent) -> None:
    """A retry pulls again, so what came in between is in its metrics too."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    inbox.run(1, 0.5)
    assert inbox.pull(1, 1) == ()
    inbox.send(2)
    assert inbox.pull(1, 3) == ("e2",)
    assert not inbox.due(30)


def test_a_run_knows_what_joined_it(ledger: Ledger, event: MakeEvent) -> None:
    """The run's record has the events it was started with, and those that joined."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    inbox.run(1, 0.5)
    ledger.start_run("web/1", "web", NOW, "asset_triggered", False, ["e1"])
    inbox.send(0.6)
    inbox.pull(1, 1)
    run = ledger.run("web/1")
    assert run is not None
    assert run.event_ids == ("e1", "e2")


def test_a_request_is_woken_at_once_and_alone(ledger: Ledger, event: MakeEvent) -> None:
    """Whatever is under way or has just been looked at; and its run joins nothing and ends no debounce."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    assert inbox.send(0.1, request={})
    assert inbox.run(1, 0.5) == ["e1"]
    assert inbox.due(0.6)
    assert inbox.run(2, 0.7) == ["e2"]
    inbox.send(0.8)
    assert inbox.pull(2, 0.9) == ()
    assert inbox.pull(1, 1) == ("e3",)
    inbox.send(2)
    assert inbox.send(3, request={})
    assert inbox.run(3, 3.5) == ["e4"] or ledger.pending_policies() == ("web",)


def test_requests_one_run_cannot_take_are_woken_within_a_second(ledger: Ledger, event: MakeEvent) -> None:
    """Airflow makes one run of two wake-ups at once; what it leaves is due as soon as it has taken its own."""
    inbox = Inbox(ledger, event)
    for seconds in (0, 0.1, 0.2):
        inbox.send(seconds, request={})
    taken = []
    for number in range(3):
        taken += inbox.run(number, 1 + number)
        assert inbox.due(1 + number) is (number < 2)
    assert taken == ["e1", "e2", "e3"]


def test_a_request_leaves_other_events_to_a_run_of_their_own(ledger: Ledger, event: MakeEvent) -> None:
    """A run that took a request may have been started by their wake-up, so there is another one at once."""
    inbox = Inbox(ledger, event)
    inbox.send(0, request={})
    inbox.send(0.1)
    assert inbox.run(1, 0.5) == ["e1"]
    assert inbox.due(0.6)
    assert inbox.run(2, 1) == ["e2"]


def test_an_event_for_somebody_else_waits_for_whoever_can_wake(ledger: Ledger, event: MakeEvent) -> None:
    """Two triggerers on one queue: the one that received it leaves word, the other finds it, and just one does."""
    inbox = Inbox(ledger, event)
    assert not inbox.send(0, here=False)
    assert ledger.claim_wakes({"api"}, after(0.5)) == frozenset()
    assert inbox.due(0.6)
    assert not inbox.due(0.7)


def test_what_another_run_took_wakes_nobody(ledger: Ledger, event: MakeEvent) -> None:
    """A scheduled run came first: the wake-up that was due is dropped."""
    inbox = Inbox(ledger, event)
    inbox.send(0, here=False)
    inbox.run(1, 0.5)
    assert not inbox.due(1)


def test_a_lost_wake_up_is_repeated_ever_more_slowly(ledger: Ledger, event: MakeEvent) -> None:
    """After 30, 60, 120 and again 120 seconds, for as long as nobody takes the events; and by one process only."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    woken = []
    for second in range(1, 500):
        ledger.find_overdue(after(second), after(second - 15))
        if inbox.due(second):
            woken.append(second)
            assert not inbox.due(second)
    assert woken == [30, 90, 210, 330, 450]
    assert PACE[0] == timedelta(seconds=30)


def test_nothing_is_overdue_while_a_debounce_runs(ledger: Ledger, event: MakeEvent) -> None:
    """The sweep leaves alone what is due later, and what a run has taken."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    inbox.run(1, 0.5)
    inbox.pull(1, 1)
    inbox.send(2)
    assert ledger.find_overdue(after(3), after(3)) == ()
    assert inbox.due(10)


def test_a_stream_that_starts_makes_up_for_its_forerunner(ledger: Ledger, event: MakeEvent) -> None:
    """A wake-up that was claimed and never delivered is repeated at the start, a fresh one is not."""
    inbox = Inbox(ledger, event)
    inbox.send(0)
    assert ledger.find_overdue(after(3), after(3), starting=True) == ()
    assert ledger.find_overdue(after(6), after(6), starting=True) == ("web",)
    assert inbox.due(6)


def test_events_of_a_failed_run_rest_and_are_woken_again(ledger_url: str, event: MakeEvent) -> None:
    """First for seconds, then longer, so that a provider that is down for minutes does not use up the attempts."""
    clock = [NOW]
    with Ledger.open(ledger_url, clock=lambda: clock[0]) as ledger:
        inbox, second = Inbox(ledger, event), 0.0
        inbox.send(0)
        for number, rest in enumerate(RELEASED):
            assert inbox.run(number, second) == ["e1"]
            clock[0] = after(second + 1)
            ledger.release_events(f"web/{number}")
            assert not inbox.due(second + rest.total_seconds())
            second += 1 + rest.total_seconds()
            assert inbox.due(second)


def test_a_new_event_takes_the_resting_ones_along(ledger_url: str, event: MakeEvent) -> None:
    """After a failed run the next event acts at once, and the ones given back are taken with it."""
    with Ledger.open(ledger_url, clock=lambda: after(20)) as ledger:
        inbox = Inbox(ledger, event)
        inbox.send(0)
        inbox.run(1, 0.5)
        ledger.release_events("web/1")
        assert inbox.send(20)
        assert inbox.run(2, 21) == ["e1", "e2"]


def test_an_overload_never_has_two_wake_ups_under_way(ledger: Ledger, event: MakeEvent) -> None:
    """Events every second while each run takes twenty to come round to its pull: one wake-up a run."""
    inbox = Inbox(ledger, event)
    wakes, runs = 0, 0
    for second in range(600):
        wakes += inbox.send(second) + inbox.due(second + 0.5)
        if second % 20 == 15:
            runs += 1
            inbox.run(runs, second)
            inbox.pull(runs, second)
    assert wakes <= runs + 1
