"""Who may decide on an event: the run that has it, and nobody twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from setpoint.ledger import EventsLost, Ledger
from setpoint.model import Event
from setpoint.testing.values import NOW, a_decision

MakeEvent = Callable[..., Event]


@pytest.fixture
def started(ledger: Ledger, event: MakeEvent) -> Ledger:
    """A run that has taken two events."""
    ledger.accept_events([(event("a"), ("web",)), (event("b"), ("web",))])
    take(ledger, "web/1")
    return ledger


def take(ledger: Ledger, run_id: str) -> list[str]:
    """Start a run with the events that wait."""
    ids = [one.event_id for one in ledger.take_events("web", run_id, NOW)]
    ledger.start_run(run_id, "web", started_at=NOW, trigger="asset_triggered", dry_run=False, event_ids=ids)
    return ids


def decide(ledger: Ledger, run_id: str) -> None:
    """Record the decision of a run."""
    ledger.record_decisions(run_id, [a_decision(run_id=run_id, policy="web")])


def test_a_run_that_was_taken_for_dead_decides_nothing(started: Ledger) -> None:
    """Its events were given back and another run has them: one breach, one decision."""
    started.release_events("web/1")
    assert take(started, "web/2") == ["a", "b"]

    with pytest.raises(EventsLost, match=r"web/1 took so long .* 2 of its events are with web/2 now"):
        decide(started, "web/1")

    assert started.decisions_of("web/1") == ()
    decide(started, "web/2")
    assert len(started.decisions_of("web/2")) == 1


def test_nor_does_it_while_its_events_wait(started: Ledger) -> None:
    """Whoever takes them next decides."""
    started.release_events("web/1")

    with pytest.raises(EventsLost, match="are waiting for another run"):
        decide(started, "web/1")


def test_a_run_that_has_decided_keeps_its_events(started: Ledger) -> None:
    """Taken for dead after its decision, it goes on alone: nothing is given back."""
    decide(started, "web/1")

    released = started.release_events("web/1")

    assert (released.waiting, released.given_up) == ((), ())
    assert take(started, "web/2") == []
    decide(started, "web/1")  # a retry of the same task


def test_the_same_run_may_take_its_events_again(started: Ledger) -> None:
    """Given back and taken by a retry of the same run, they are its own."""
    started.release_events("web/1")
    assert take(started, "web/1") == ["a", "b"]

    decide(started, "web/1")


def test_a_run_without_events_decides(ledger: Ledger) -> None:
    """A run that the ledger does not know, and one that took nothing, have nothing to lose."""
    decide(ledger, "web/unknown")
    ledger.start_run("web/2", "web", started_at=NOW, trigger="manual", dry_run=False, event_ids=[])
    decide(ledger, "web/2")


def test_of_a_decision_and_a_release_at_once_one_happens(ledger_url: str, event: MakeEvent) -> None:
    """However the two fall together, the events are decided on or given back, never both."""
    with Ledger.open(ledger_url, clock=lambda: NOW) as ledger:
        for number in range(20):
            run_id = f"web/{number}"
            ledger.accept_events([(event(f"e{number}"), ("web",))])
            take(ledger, run_id)
            decided, released = _at_once(
                lambda run_id=run_id: decide(ledger, run_id), lambda run_id=run_id: ledger.release_events(run_id)
            )

            gave_back = bool(released.waiting)
            assert isinstance(decided, EventsLost) == gave_back
            assert bool(ledger.decisions_of(run_id)) != gave_back
            if gave_back:
                take(ledger, f"{run_id}-again")


def _at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do several things in threads that start together; what each returned, or the ledger's refusal."""
    start, results = threading.Barrier(len(works)), [None] * len(works)

    def do(place: int) -> None:
        start.wait(10)
        try:
            results[place] = works[place]()
        except EventsLost as refusal:
            results[place] = refusal

    threads = [threading.Thread(target=do, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
