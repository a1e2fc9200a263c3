"""Looking one message or event up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.ledger import AmbiguousReference, Ledger
from setpoint.ledger.rejects import receipt_identity
from setpoint.model import Event

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def arrival(number: int, *policies: str, at: datetime = NOW) -> Arrival:
    """A message with one event for some policies."""
    event = Event(event_id="json:id:1", kind="json", source="q", occurred_at=at, received_at=at, summary="hello")
    wanted = tuple(Wanted(policy=name) for name in policies)
    return Arrival(message_id=f"m-{number}", source="q", body='{"id": "1"}', events=((event, wanted),))


def test_an_event_is_found_by_its_own_id_and_by_its_message(ledger: Ledger) -> None:
    """With each policy it went to, how far it came there, and the message that brought it."""
    (receipt,) = ledger.receive([arrival(1, "web", "api")], NOW).receipts
    ledger.take_events("web", "run-1", NOW)
    ledger.close_events("run-1", "held", NOW)
    for reference in ("json:id:1", receipt.receipt_id, receipt.receipt_id[:6]):
        story = ledger.message_story(reference)
        assert story is not None
        assert story.receipt == receipt
        assert story.reject is None
        (event,) = story.events
        assert [(one.policy, one.state, one.run_id) for one in event.journeys] == [
            ("api", "waiting", None),
            ("web", "held", "run-1"),
        ]


def test_a_refused_message_has_its_reason_and_its_body(ledger: Ledger) -> None:
    """The whole story of what could not be read."""
    refused = Arrival(message_id="m", source="q", body="{{ 7 * 7 }}", refused=("not_json", "this is not JSON"))
    (receipt,) = ledger.receive([refused], NOW).receipts
    story = ledger.message_story(receipt.receipt_id)
    assert story is not None
    assert story.reject is not None
    assert (story.reject.code, story.reject.body, story.events) == ("not_json", "{{ 7 * 7 }}", ())


def test_an_identity_that_counted_twice_gives_its_latest_event(ledger: Ledger) -> None:
    """After the dedupe window the same identity is a new event."""
    ledger.receive([arrival(1, "web")], NOW)
    later = NOW + timedelta(days=8)
    ledger.receive([arrival(2, "web", at=later)], later)
    story = ledger.message_story("json:id:1")
    assert story is not None
    assert story.receipt is not None
    (exact,) = story.events
    assert exact.event.event_id == "json:id:1" or exact.event.received_at == later


@pytest.mark.parametrize("reference", ["", "nothing", "0" * 32, "%%%%%%", "______", "{{ x }}\x00"])
def test_what_is_not_there_is_none(ledger: Ledger, reference: str) -> None:
    """Nor does a pattern find anything."""
    ledger.receive([arrival(1, "web")], NOW)
    assert ledger.message_story(reference) is None


def test_a_beginning_that_fits_several_is_refused(ledger: Ledger) -> None:
    """It says which ones, and guesses none."""
    seen: dict[str, int] = {}
    for number in range(100_000):
        beginning = receipt_identity("q", f"m-{number}")[:6]
        if beginning in seen:
            break
        seen[beginning] = number
    ledger.receive([arrival(seen[beginning], "web"), arrival(number, "web")], NOW)
    with pytest.raises(AmbiguousReference, match=beginning):
        ledger.message_story(beginning)


def test_a_message_unwanted_again_can_be_routed_again(ledger: Ledger) -> None:
    """Reading it once more, in vain, does not make a duplicate of it whose body is gone."""
    (first,) = ledger.receive([arrival(1)], NOW).receipts
    (again,) = ledger.receive([arrival(1)], NOW, again=True).receipts
    assert (first.fate, again.fate) == ("unwanted", "unwanted")
    assert ledger.kept_message(first.receipt_id).body == '{"id": "1"}'
    assert ledger.receive([arrival(1, "web")], NOW, again=True).woken == {"web"}
