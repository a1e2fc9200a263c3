"""Events of people, clocks and posted asset events."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from setpoint.events.contract import EventError
from setpoint.events.manual import asset_event, manual_event, schedule_event, was_posted


def test_a_persons_request_becomes_an_event(received_at: datetime) -> None:
    """What was asked for stands in the request and in one line for people."""
    event = manual_event(
        "web",
        {"targets": ["a", "b"], "wanted_units": 6, "dry_run": True, "reason": "noon"},
        run_id="manual__1",
        requested_by="ana",
        at=received_at,
        received_at=received_at,
    )
    assert event.summary == "capacity 6 wanted for a, b (dry run): noon"
    assert event.request is not None
    assert event.request.requested_by == "ana"
    assert (event.kind, event.policy, event.source) == ("manual", "web", "ana")


def test_a_request_left_empty_is_a_look(received_at: datetime) -> None:
    """Every field may be left out or be None, as an unfilled form field is."""
    conf = {"targets": None, "wanted_units": None, "reason": None}
    event = manual_event("web", conf, run_id="1", requested_by="ana", at=received_at, received_at=received_at)
    assert event.summary == "a look wanted"
    assert event.request is not None
    assert event.request.wanted_units is None


def test_a_retry_of_a_run_is_the_same_event(received_at: datetime) -> None:
    """The identity is the policy's and the run's, not the moment's."""
    first, second = (schedule_event("web", run_id=run, at=received_at, received_at=received_at) for run in ("r1", "r1"))
    other = schedule_event("web", run_id="r2", at=received_at, received_at=received_at)
    assert first.event_id == second.event_id != other.event_id


def test_every_mistake_of_a_conf_is_listed(received_at: datetime) -> None:
    """Wrong types, negative numbers and unknown keys, at once, with path and value."""
    conf = {"targets": [""], "wanted_units": -3, "dry_run": "no", "resaon": "x"}
    with pytest.raises(EventError) as caught:
        manual_event("web", conf, run_id="1", requested_by="ana", at=received_at, received_at=received_at)
    for part in ("targets.0: ''", "wanted_units: -3", "dry_run: 'no'", "resaon: unknown key"):
        assert part in str(caught.value)


def test_text_no_database_keeps_is_refused(received_at: datetime) -> None:
    """NUL in a reason is said, not stored and not crashed on."""
    with pytest.raises(EventError) as caught:
        manual_event(
            "web", {"reason": "a\x00"}, run_id="1", requested_by="ana", at=received_at, received_at=received_at
        )
    assert caught.value.code == "bad_text"


def test_a_posted_asset_event_may_ask_for_something(received_at: datetime) -> None:
    """Its extra holds a run's conf and a summary; Airflow's own keys are left out of account."""
    extra = {"from_rest_api": True, "summary": "from the deploy", "wanted_units": 4}
    event = asset_event("web", extra, asset_event_id=17, at=received_at, received_at=received_at)
    assert was_posted(extra)
    assert not was_posted({"from_trigger": True, "payload": {"policy": "web"}})
    assert event.summary == "from the deploy"
    assert event.request is not None
    assert event.request.wanted_units == 4


def test_an_asset_event_without_extra_is_a_wake_up(received_at: datetime) -> None:
    """Nothing is asked for, so there is no request."""
    event = asset_event("web", {"from_rest_api": True}, asset_event_id=17, at=received_at, received_at=received_at)
    assert event.request is None


def test_an_asset_event_is_its_id_and_its_moment(received_at: datetime) -> None:
    """Read again it is the same event; an id that starts over after a reset of Airflow's metadata is another one."""

    def identity(asset_event_id: int | str, at: datetime, policy: str = "web") -> str:
        return asset_event(policy, {}, asset_event_id=asset_event_id, at=at, received_at=received_at).event_id

    elsewhere = received_at.astimezone(timezone(timedelta(hours=5)))
    assert identity(17, received_at) == identity("17", elsewhere)
    moments = (received_at, received_at + timedelta(microseconds=1))
    known = {identity(number, at, policy) for number in (17, 18) for at in moments for policy in ("web", "api")}
    assert len(known) == 8


def test_a_wrong_extra_is_refused(received_at: datetime) -> None:
    """An unknown key in a posted extra is named."""
    with pytest.raises(EventError, match="wanted: unknown key"):
        asset_event("web", {"wanted": 4}, asset_event_id=1, at=received_at, received_at=received_at)
