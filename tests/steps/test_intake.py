"""What a run is about: one request, or what happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from setpoint.events.manual import asset_event, manual_event, schedule_event
from setpoint.ledger import Ledger
from setpoint.model import Event
from setpoint.policy.schema import Policy
from setpoint.steps.intake import Intake, take_in
from setpoint.testing.values import NOW, a_policy


def a_request(run_id: str, at: datetime = NOW, **conf: Any) -> Event:
    return manual_event("web", conf, run_id=run_id, requested_by="ana", at=at, received_at=at)


def posted(number: int, **extra: Any) -> Event:
    at = NOW + timedelta(seconds=number)
    return asset_event("web", extra, asset_event_id=number, at=at, received_at=at)


def run(ledger: Ledger, policy: Policy, run_id: str, *direct: Event) -> Intake:
    return take_in(policy, run_id, direct=direct, ledger=ledger, trigger="manual", now=NOW)


def test_requests_do_not_swallow_each_other(ledger: Ledger, policy: Policy) -> None:
    """Each gets a run with its own targets and its own dry run; what happened besides gets one for the whole fleet."""
    events = [posted(1, targets=["web-1"], wanted_units=6), posted(2, dry_run=True), posted(3), posted(4)]
    first, second, third = (run(ledger, policy, f"web/{n}", *events) for n in (1, 2, 3))
    assert (first.event_ids, first.targets, first.dry_run) == ((events[0].event_id,), ("web-1",), False)
    assert first.request is not None
    assert first.request.wanted_units == 6
    assert (second.event_ids, second.targets, second.dry_run) == ((events[1].event_id,), (), True)
    assert (third.events, third.targets, third.request, third.dry_run) == (tuple(events[2:]), (), None, False)
    assert run(ledger, policy, "web/4", *events).events == ()


def test_a_person_gets_what_was_asked_for(ledger: Ledger, policy: Policy) -> None:
    """A run that a person started is about that request, though older events and requests wait; a retry as well."""
    older = [(posted(1), ("web",)), (posted(2, targets=["web-2"], dry_run=True), ("web",))]
    ledger.accept_events(older)
    mine = a_request("web/mine", NOW + timedelta(minutes=1), targets=["web-1"])
    first, again = (run(ledger, policy, "web/mine", mine) for _ in range(2))
    assert first == again
    assert (first.events, first.targets, first.dry_run) == ((mine,), ("web-1",), False)
    assert run(ledger, policy, "web/2").events == (older[0][0],)
    assert run(ledger, policy, "web/3").events == (older[1][0],)


def test_a_request_that_another_run_took_is_not_done_twice(ledger: Ledger, policy: Policy) -> None:
    """The person's run finds nothing left to do, and says so by having no events."""
    mine = a_request("web/mine")
    ledger.accept_events([(mine, ("web",))])
    assert run(ledger, policy, "web/quick").events == (mine,)
    assert run(ledger, policy, "web/mine", mine).events == ()


def test_a_tick_waits_behind_an_older_request(ledger: Ledger, policy: Policy) -> None:
    """A scheduled run carries out a request that waits; the tick is the next run's."""
    asked = posted(-1, targets=["web-2"])
    tick = schedule_event("web", run_id="web/tick", at=NOW, received_at=NOW)
    assert run(ledger, policy, "web/tick", asked, tick).events == (asked,)
    assert ledger.pending_policies() == ("web",)
    assert run(ledger, policy, "web/2").events == (tick,)


def test_a_policy_in_dry_run_makes_every_run_one(ledger: Ledger) -> None:
    """Whatever the request says."""
    policy = a_policy(dry_run=True)
    assert run(ledger, policy, "web/1", a_request("web/1", dry_run=False)).dry_run
    assert run(ledger, policy, "web/2", posted(1)).dry_run
