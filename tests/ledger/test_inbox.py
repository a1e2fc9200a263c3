"""The inbox: durable, once per event and policy, and given back when a run dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from setpoint.ledger import Conflict, Ledger
from setpoint.ledger.inbox import MAX_TAKES
from setpoint.model import Event
from setpoint.testing.values import NOW

MakeEvent = Callable[..., Event]


def ids(events: tuple[Event, ...]) -> list[str]:
    return [one.event_id for one in events]


def test_accept_twice(ledger: Ledger, event: MakeEvent) -> None:
    """An event delivered again is a duplicate, and the one that came first stays as it was."""
    first = ledger.accept_events([(event("a", summary="first"), ("web",)), (event("b"), ("web",))])
    again = ledger.accept_events([(event("a", summary="second"), ("web",)), (event("c"), ("web",))])
    assert (first.new, first.duplicates) == (("a", "b"), ())
    assert (again.new, again.duplicates) == (("c",), ("a",))
    taken = ledger.take_events("web", "web/1", NOW)
    assert [(one.event_id, one.summary) for one in taken] == [("a", "first"), ("b", ""), ("c", "")]


def test_accept_same_event_in_one_batch(ledger: Ledger, event: MakeEvent) -> None:
    """Of an event that stands twice in one batch, the second is a duplicate; every policy named gets it."""
    accepted = ledger.accept_events([(event("a"), ("web",)), (event("a"), ("api",))])
    assert (accepted.new, accepted.duplicates) == (("a",), ("a",))
    assert ledger.pending_policies() == ("api", "web")


def test_accept_nothing(ledger: Ledger) -> None:
    """An empty batch is accepted."""
    assert ledger.accept_events([]).new == ()


def test_duplicate_for_another_policy_is_delivered(ledger: Ledger, event: MakeEvent) -> None:
    """The same event through a second queue reaches the policy that did not have it, and counts as new."""
    ledger.accept_events([(event("a"), ("web",))])
    assert ledger.accept_events([(event("a"), ("web", "api"))]).new == ("a",)
    assert ledger.accept_events([(event("a"), ("web", "api"))]).duplicates == ("a",)
    assert ids(ledger.take_events("api", "api/1", NOW)) == ["a"]


def test_unwanted_event_is_kept(ledger: Ledger, event: MakeEvent) -> None:
    """An event no policy wants is kept as unwanted, until a policy wants it."""
    assert ledger.accept_events([(event("a"), ())]).new == ("a",)
    assert ids(ledger.unwanted_events()) == ["a"]
    assert ledger.pending_policies() == ()
    assert ledger.accept_events([(event("a"), ("web",))]).new == ("a",)
    assert ledger.unwanted_events() == ()


def test_text_from_outside_is_kept_exactly(ledger: Ledger, event: MakeEvent) -> None:
    """NUL, lone surrogates, backslashes and quotes come back as they went in, so no message can block its queue."""
    nasty = "a\0b\\0c\\\\d'); DROP TABLE setpoint_events; --{{ 1 }}\\ud800"
    nastier = nasty + "\ud800"
    sent = event(nasty, source=nastier, summary=nasty, targets=[nasty], payload={nasty: nastier})
    ledger.accept_events([(sent, ("web",))])
    assert ledger.take_events("web", "web/1", NOW) == (sent,)
    assert ledger.accept_events([(event(nasty), ("web",))]).duplicates == (nasty,)


def test_payload_without_json_numbers(ledger: Ledger, event: MakeEvent) -> None:
    """NaN and infinity, which JSON does not have, are kept as words instead of failing the batch."""
    payload = {"a": float("nan"), "b": [float("inf"), {"c": float("-inf")}]}
    ledger.accept_events([(event("a", payload=payload), ("web",))])
    (taken,) = ledger.take_events("web", "web/1", NOW)
    assert taken.payload == {"a": "NaN", "b": ["Infinity", {"c": "-Infinity"}]}


def test_pending_policies_by_age(ledger: Ledger, event: MakeEvent) -> None:
    """A sweep sees only the policies whose events wait since before a moment."""
    ledger.accept_events([(event("old", NOW - timedelta(minutes=1)), ("web",)), (event("new"), ("api",))])
    assert ledger.pending_policies() == ("api", "web")
    assert ledger.pending_policies(older_than=NOW) == ("web",)
    ledger.take_events("web", "web/1", NOW)
    assert ledger.pending_policies(older_than=NOW) == ()


def test_take_again_gives_the_same(ledger: Ledger, event: MakeEvent) -> None:
    """A retry of a run gets the events it had, and not those that came meanwhile; the next run gets these."""
    ledger.accept_events([(event("b", NOW + timedelta(seconds=1)), ("web",)), (event("a"), ("web",))])
    assert ids(ledger.take_events("web", "web/1", NOW)) == ["a", "b"]
    ledger.accept_events([(event("c"), ("web",))])
    assert ids(ledger.take_events("web", "web/1", NOW)) == ["a", "b"]
    assert ids(ledger.take_events("web", "web/2", NOW)) == ["c"]
    assert ledger.take_events("web", "web/3", NOW) == ()


def test_take_up_to_a_limit(ledger: Ledger, event: MakeEvent) -> None:
    """The oldest events come first; what is over the limit waits for the next run."""
    ledger.accept_events([(event(f"{n}", NOW + timedelta(seconds=n)), ("web",)) for n in range(5)])
    assert ids(ledger.take_events("web", "web/1", NOW, limit=3)) == ["0", "1", "2"]
    assert ledger.pending_policies() == ("web",)
    assert ids(ledger.take_events("web", "web/2", NOW, limit=3)) == ["3", "4"]


ASKED = {"request": {"wanted_units": 6}}


def test_a_request_is_taken_alone(ledger: Ledger, event: MakeEvent) -> None:
    """One run takes the events without a request, or one with; what it leaves waits, and nothing is lost."""
    plain, asked = {"a", "c", "e"}, {"b", "d"}
    for n, event_id in enumerate("abcde"):
        fields = ASKED if event_id in asked else {}
        ledger.accept_events([(event(event_id, NOW + timedelta(seconds=n), **fields), ("web",))])
    assert set(ids(ledger.take_events("web", "web/1", NOW))) == plain
    assert ids(ledger.take_events("web", "web/2", NOW)) == ["b"]
    ledger.accept_events([(event("f", NOW + timedelta(minutes=1)), ("web",))])
    assert ids(ledger.take_events("web", "web/3", NOW)) == ["d"]
    assert ids(ledger.take_events("web", "web/2", NOW)) == ["b"]
    assert ids(ledger.take_events("web", "web/4", NOW)) == ["f"]
    assert ledger.pending_policies() == ()


def test_a_runs_own_event_comes_first(ledger: Ledger, event: MakeEvent) -> None:
    """Older events and requests wait while the run takes its own, and a retry of it gets that again."""
    own = (event("own", NOW + timedelta(minutes=1), **ASKED), ("web", "api"))
    ledger.accept_events([(event("a"), ("web",)), (event("b", **ASKED), ("web",)), own])
    assert ids(ledger.take_events("web", "web/1", NOW, own="own")) == ["own"]
    assert ids(ledger.take_events("web", "web/1", NOW, own="own")) == ["own"]
    ledger.release_events("web/1")
    assert ids(ledger.take_events("web", "web/1", NOW, own="own")) == ["own"]
    assert ids(ledger.take_events("web", "web/2", NOW, own="own")) == ["a"]
    assert ids(ledger.take_events("web", "web/3", NOW, own="unheard of")) == ["b"]
    assert ids(ledger.take_events("api", "api/1", NOW)) == ["own"]


def test_each_policy_has_its_own(ledger: Ledger, event: MakeEvent) -> None:
    """A policy that takes an event leaves it to the others."""
    ledger.accept_events([(event("a"), ("web", "api"))])
    assert ids(ledger.take_events("web", "web/1", NOW)) == ["a"]
    ledger.close_events("web/1", "acted", NOW)
    assert ids(ledger.take_events("api", "api/1", NOW)) == ["a"]


def test_run_of_two_policies_is_refused(ledger: Ledger, event: MakeEvent) -> None:
    """Run ids are unique across policies; an id that is not would mix their events up."""
    ledger.accept_events([(event("a"), ("web", "api"))])
    ledger.take_events("web", "scheduled__1", NOW)
    with pytest.raises(Conflict, match="unique across policies"):
        ledger.take_events("api", "scheduled__1", NOW)


@pytest.mark.parametrize("fate", ["acted", "held", "quarantined", "failed"])
def test_close(ledger: Ledger, event: MakeEvent, fate: str) -> None:
    """Closing says what became of a run's events, and of no others."""
    ledger.accept_events([(event("a"), ("web",))])
    ledger.take_events("web", "web/1", NOW)
    ledger.accept_events([(event("b"), ("web",))])
    assert ledger.close_events("web/1", fate, NOW) == 1  # type: ignore[arg-type]
    (closed,) = ledger.events_of("web/1")
    assert (closed.event.event_id, closed.state, closed.closed_at) == ("a", fate, NOW)
    assert ids(ledger.take_events("web", "web/2", NOW)) == ["b"]


def test_close_again(ledger: Ledger, event: MakeEvent) -> None:
    """A run that is cleared and repeated gets its closed events again, and closes them with its newer word."""
    ledger.accept_events([(event("a"), ("web",))])
    ledger.take_events("web", "web/1", NOW)
    ledger.close_events("web/1", "held", NOW)
    assert ids(ledger.take_events("web", "web/1", NOW)) == ["a"]
    ledger.close_events("web/1", "acted", NOW)
    assert ledger.events_of("web/1")[0].state == "acted"


def test_release(ledger: Ledger, event: MakeEvent) -> None:
    """Events of a run that failed early wait again, and another run takes them."""
    ledger.accept_events([(event("a"), ("web",))])
    ledger.take_events("web", "web/1", NOW)
    released = ledger.release_events("web/1")
    assert (released.waiting, released.given_up) == (("a",), ())
    assert ledger.pending_policies() == ("web",)
    assert ids(ledger.take_events("web", "web/2", NOW)) == ["a"]
    assert ledger.release_events("web/1").waiting == ()


def test_release_leaves_closed_events(ledger: Ledger, event: MakeEvent) -> None:
    """What a run has closed is not given back."""
    ledger.accept_events([(event("a"), ("web",))])
    ledger.take_events("web", "web/1", NOW)
    ledger.close_events("web/1", "acted", NOW)
    assert ledger.release_events("web/1").waiting == ()
    assert ledger.pending_policies() == ()


def test_release_is_bounded(ledger: Ledger, event: MakeEvent) -> None:
    """An event that breaks run after run is closed as failed instead of coming back for ever."""
    ledger.accept_events([(event("a"), ("web",))])
    for n in range(MAX_TAKES - 1):
        ledger.take_events("web", f"web/{n}", NOW)
        assert ledger.release_events(f"web/{n}").waiting == ("a",)
    ledger.take_events("web", "web/last", NOW)
    assert ledger.release_events("web/last").given_up == ("a",)
    assert ledger.pending_policies() == ()
    (given_up,) = ledger.events_of("web/last")
    assert (given_up.state, given_up.attempts, given_up.closed_at) == ("failed", MAX_TAKES, NOW)


def test_stranded_runs(ledger: Ledger, event: MakeEvent) -> None:
    """Runs that took events long ago and never said what became of them are found."""
    ledger.accept_events([(event("a"), ("web",)), (event("b"), ("api",)), (event("c"), ("job",))])
    ledger.take_events("web", "web/1", NOW - timedelta(hours=1))
    ledger.take_events("api", "api/1", NOW - timedelta(hours=1))
    ledger.take_events("job", "job/1", NOW)
    ledger.close_events("api/1", "held", NOW)
    assert ledger.stranded_runs(NOW) == ("web/1",)
    ledger.release_events("web/1")
    assert ledger.stranded_runs(NOW) == ()
