"""From messages to what the ledger is handed: who wants an event, until when, and in which number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from setpoint.events.intake import event_kinds
from setpoint.events.queues import QueueRef
from setpoint.events.replay import redeliver_unwanted, replay_reject
from setpoint.events.take_in import Message, TakenIn, read_arrival, set_aside, take_in
from setpoint.ledger import Ledger, NotRecorded
from setpoint.ledger.rejects import MAX_BODY, receipt_identity
from setpoint.policy.schema import Policy
from setpoint.testing.values import NOW, a_policy

QUEUE = QueueRef(connection="aws_default", region="eu-west-1", queue="events")
KINDS = event_kinds()
_TARGETS = {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": ["web-1", "web-2"]}


def policy(**triggers: Any) -> Policy:
    """The policy ``web``, which listens to plain messages on the queue."""
    events = triggers.pop("events", [{"kind": "json", "queue": "events"}])
    return a_policy(targets=_TARGETS, triggers={"events": events, **triggers})


def body(identity: str, **fields: Any) -> str:
    return json.dumps({"policy": "web", "id": identity, **fields})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: NOW) as opened:
        yield opened


def take(ledger: Ledger, *bodies: str, policies: tuple[Policy, ...] | None = None, at: datetime = NOW) -> TakenIn:
    """Take messages in whose ids are new ones each time."""
    known = len(ledger.receipts(1000))
    return take_in(
        [Message(f"m{known + number}", one) for number, one in enumerate(bodies)],
        inbox=ledger,
        kinds=KINDS,
        policies=policies if policies is not None else (policy(),),
        queue=QUEUE,
        source="queue-url",
        now=at,
    )


def test_what_came_of_a_batch(ledger: Ledger) -> None:
    """A receipt for each, counts, and whom to wake."""
    taken = take(ledger, body("a"), body("a"), "no JSON", body("b", targets=["nowhere"]))
    assert [one.fate for one in taken.receipts] == ["accepted", "duplicate", "rejected", "rejected"]
    assert (taken.accepted, taken.duplicates, taken.unwanted, taken.woken) == (1, 1, 0, {"web"})
    assert [one.code for one in taken.refused] == ["not_json", "unknown_target"]
    total = taken + TakenIn.nothing()
    assert total == taken


def test_a_message_that_tries_out_the_way_is_counted_as_that(ledger: Ledger) -> None:
    """It is no event and no reject, delivered twice it is one message, and the books balance."""
    control = json.dumps({"messageType": "CONTROL_MESSAGE", "logEvents": []})
    taken = take(ledger, control, "no JSON", body("a"))
    books = ledger.accounting(NOW)

    assert [one.fate for one in taken.receipts] == ["control", "rejected", "accepted"]
    assert (taken.control, [one.code for one in taken.refused]) == (1, ["not_json"])
    assert [one.code for one in ledger.rejects()] == ["not_json"]
    assert (books.receipts, books.control, books.rejected, books.waiting, books.missing) == (3, 1, 1, 1, 0)


@pytest.mark.parametrize(("lines", "kept"), [(10, 10), (11, 1), (3000, 1)])
def test_log_lines_nobody_wants_are_kept_in_short(ledger: Ledger, lines: int, kept: int) -> None:
    """A batch of thousands is one row with their number; once a policy wants some, its body has them all."""
    logged = [{"id": f"{one}", "timestamp": 1, "message": f"line {one}"} for one in range(lines)]
    batch = {"messageType": "DATA_MESSAGE", "logGroup": "/app", "logStream": "s", "logEvents": logged}
    (receipt,) = take(ledger, json.dumps(batch)).receipts
    unwanted = ledger.unwanted_events(limit=5000)

    assert (receipt.fate, len(unwanted), len(receipt.event_ids)) == ("unwanted", kept, kept)
    assert kept == lines or unwanted[0].payload["more_events"] == lines - 1
    listening = policy(events=[{"kind": "aws.logs", "queue": "events", "contains": f"line {lines - 1}"}])
    again = redeliver_unwanted(receipt.receipt_id, ledger=ledger, kinds=KINDS, policies=[listening], now=NOW)
    assert (again.receipt.fate, len(again.receipt.event_ids)) == ("accepted", 1)


@pytest.mark.parametrize(("seconds", "fate"), [(899, "accepted"), (901, "too_old")])
def test_an_event_older_than_the_policys_limit_wakes_nobody(ledger: Ledger, seconds: int, fate: str) -> None:
    """A triggerer that was down for an hour does not act on what was new an hour ago; the limit is 15 minutes."""
    occurred = NOW - timedelta(seconds=seconds)
    taken = take(ledger, body("a", occurred_at=occurred.isoformat()))
    assert [one.fate for one in taken.receipts] == [fate]
    assert taken.woken == ({"web"} if fate == "accepted" else frozenset())
    assert ledger.accounting(NOW).too_old == (fate == "too_old")


def test_the_limit_is_the_policys_own(ledger: Ledger) -> None:
    """One policy may look at an old event that is too old for another."""
    patient = policy(max_event_age="2h").model_copy(update={"name": "patient"})
    message = json.dumps({"targets": ["web-1"], "id": "a", "occurred_at": (NOW - timedelta(hours=1)).isoformat()})
    taken = take(ledger, message, policies=(policy(), patient))
    assert (taken.receipts[0].fate, taken.woken) == ("accepted", {"patient"})


def test_without_a_time_of_its_own_an_event_is_as_old_as_its_message(ledger: Ledger) -> None:
    """The queue says when it was sent, so an hour in the queue makes it an hour old."""
    arrival = read_arrival(
        Message("m", body("a"), sent_at=NOW - timedelta(hours=1)),
        kinds=KINDS,
        policies=(policy(),),
        queue=QUEUE,
        source="q",
        now=NOW,
    )
    ((event, _),) = arrival.events
    assert (event.occurred_at, event.received_at) == (NOW - timedelta(hours=1), NOW)
    assert ledger.receive([arrival], NOW).receipts[0].fate == "too_old"


def test_the_senders_identity_of_a_message_is_the_events(ledger: Ledger) -> None:
    """Two messages with one identity and no id in them are one event; without it they are two."""
    text = json.dumps({"policy": "web"})
    arrivals = [
        read_arrival(
            Message(f"m{number}", text, identity=identity),
            kinds=KINDS,
            policies=(policy(),),
            queue=QUEUE,
            source="q",
            now=NOW,
        )
        for number, identity in enumerate(["g/1", "g/1", None, None])
    ]
    fates = [one.fate for one in ledger.receive(arrivals, NOW).receipts]
    assert fates == ["accepted", "duplicate", "accepted", "accepted"]


@pytest.mark.parametrize(("minutes", "fate"), [(5, "accepted"), (6, "rejected")])
def test_a_clock_may_be_a_little_ahead(ledger: Ledger, minutes: int, fate: str) -> None:
    """Five minutes are taken; more is refused, because such an event would stay young for ever."""
    taken = take(ledger, body("a", occurred_at=(NOW + timedelta(minutes=minutes)).isoformat()))
    assert [one.fate for one in taken.receipts] == [fate]
    assert all(one.code == "in_future" and "clock" in one.text for one in taken.refused)


def test_a_trigger_with_a_number_waits_for_it(ledger: Ledger) -> None:
    """Three inside a minute, by when they occurred; the fields come from the policy file."""
    counted = policy(events=[{"kind": "json", "queue": "events", "count": 3, "within": "1m"}])
    woken = []
    for number in range(3):
        at = NOW + timedelta(seconds=20 * number)
        message = body(f"e{number}", occurred_at=at.isoformat())
        woken.append(bool(take(ledger, message, policies=(counted,), at=at).woken))
    assert woken == [False, False, True]


def test_a_trigger_without_a_number_is_content_with_one(ledger: Ledger) -> None:
    """When one trigger wants the number and another does not, the event wakes by itself."""
    both = policy(
        events=[{"kind": "json", "queue": "events", "count": 3, "within": "1m"}, {"kind": "json", "queue": "events"}]
    )
    assert take(ledger, body("a"), policies=(both,)).woken == {"web"}


def test_debounce_is_the_policys_own(ledger: Ledger) -> None:
    """The second event after the pull waits for the window's end, as long as the policy says."""
    slow = policy(debounce="1m")
    take(ledger, body("a"), policies=(slow,))
    ledger.take_events("web", "web/1", NOW)
    ledger.join_events("web/1", "web", NOW + timedelta(seconds=1))
    assert not take(ledger, body("b"), policies=(slow,), at=NOW + timedelta(seconds=2)).woken
    assert not ledger.claim_wakes(None, NOW + timedelta(seconds=59))
    assert ledger.claim_wakes(None, NOW + timedelta(seconds=60)) == {"web"}


def test_a_reject_is_replayed_after_the_fix(ledger: Ledger) -> None:
    """A message for a policy whose file was broken: read again with today's policies, however old it is by now."""
    taken = take(ledger, body("a"), policies=())
    assert taken.refused[0].code == "unknown_policy"
    reject_id = taken.receipts[0].receipt_id
    later = NOW + timedelta(days=1)
    still = replay_reject(reject_id, ledger=ledger, kinds=KINDS, policies=(), now=later)
    assert (still.receipt.fate, still.woken) == ("rejected", frozenset())
    assert still.refused is not None
    done = replay_reject(reject_id, ledger=ledger, kinds=KINDS, policies=(policy(),), now=later)
    assert (done.receipt.fate, done.woken, done.refused) == ("accepted", {"web"}, None)
    reject = ledger.reject(reject_id)
    assert reject is not None
    assert (reject.state, reject.resolved_at) == ("replayed", later)
    assert [one.summary for one in ledger.take_events("web", "web/1", later)] == [""]
    books = ledger.accounting(NOW)
    assert (books.receipts, books.waiting, books.missing) == (1, 1, 0)
    again = replay_reject(reject_id, ledger=ledger, kinds=KINDS, policies=(policy(),), now=later)
    assert (again.receipt.fate, again.woken) == ("accepted", frozenset())


def test_a_replay_goes_to_the_policies_of_its_queue_only(ledger: Ledger) -> None:
    """Where a message came from is kept: it is not for a policy that listens elsewhere."""
    taken = take(ledger, json.dumps({"targets": ["web-1"]}), policies=(policy(),))
    assert taken.receipts[0].fate == "accepted"
    elsewhere = policy(events=[{"kind": "json", "queue": "another"}])
    taken = take(ledger, json.dumps({"targets": ["web-2"]}), policies=())
    (receipt,) = ledger.receipts(fate="unwanted")
    assert taken.receipts == (receipt,)
    told = redeliver_unwanted(receipt.receipt_id, ledger=ledger, kinds=KINDS, policies=(elsewhere,), now=NOW)
    assert told.receipt.fate == "unwanted"
    told = redeliver_unwanted(receipt.receipt_id, ledger=ledger, kinds=KINDS, policies=(policy(),), now=NOW)
    assert (told.receipt.fate, ledger.accounting(NOW).unwanted) == ("accepted", 0)


def test_only_what_was_refused_or_unwanted_is_read_again(ledger: Ledger) -> None:
    """Of anything else the body is not kept."""
    receipt_id = take(ledger, body("a")).receipts[0].receipt_id
    with pytest.raises(NotRecorded, match="refused or unwanted"):
        replay_reject(receipt_id, ledger=ledger, kinds=KINDS, policies=(), now=NOW)


def test_a_message_too_long_to_be_kept_cannot_be_read_again(ledger: Ledger) -> None:
    """What is kept of it says so, and what to do."""
    (receipt,) = take(ledger, "x" * (MAX_BODY + 1)).receipts
    (reject,) = ledger.rejects()
    assert (reject.code, reject.cut, len(reject.body)) == ("too_large", True, MAX_BODY)
    with pytest.raises(ValueError, match="send it anew"):
        replay_reject(receipt.receipt_id, ledger=ledger, kinds=KINDS, policies=(), now=NOW)


def test_a_message_that_cannot_be_taken_in_is_set_aside_whole(ledger: Ledger) -> None:
    """With what it failed with, so that it can be replayed once that is mended."""
    refused = set_aside(
        Message("m", body("a")),
        inbox=ledger,
        queue=QUEUE,
        source="q",
        error=RuntimeError("disk\nfull"),
        deliveries=3,
        now=NOW,
    )
    (reject,) = ledger.rejects()
    assert (reject.code, reject.body, refused.code) == ("not_stored", body("a"), "not_stored")
    assert "delivered 3 times" in reject.text
    replayed = replay_reject(receipt_identity("q", "m"), ledger=ledger, kinds=KINDS, policies=(policy(),), now=NOW)
    assert replayed.receipt.fate == "accepted"


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        ({"count": 3}, "go together"),
        ({"within": "1m"}, "go together"),
        ({"count": 1, "within": "1m"}, "greater than or equal to 2"),
        ({"count": 3, "within": "2h"}, "1s to 1h"),
        ({"count": 3, "within": "0s"}, "1s to 1h"),
    ],
)
def test_a_number_without_a_sensible_window_is_refused(trigger: dict[str, Any], says: str) -> None:
    """Both or none, and a window one can wait for."""
    with pytest.raises(ValueError, match=says):
        policy(events=[{"kind": "json", "queue": "events", **trigger}])


@pytest.mark.parametrize(
    ("triggers", "says"),
    [
        ({"debounce": "2h", "max_event_age": "4h"}, "at most 1h"),
        ({"debounce": "15m"}, "shorter than max_event_age"),
        ({"max_event_age": "30s", "debounce": "0s"}, "at least 1m"),
    ],
)
def test_limits_that_contradict_are_refused(triggers: dict[str, str], says: str) -> None:
    """What waits for the debounce's end must not be too old there."""
    with pytest.raises(ValueError, match=says):
        policy(**triggers)
