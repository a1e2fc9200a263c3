"""Receipts: one for every message, whatever became of it; identities that are remembered for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from setpoint.events.arrivals import Arrival, CountRule, Wanted
from setpoint.ledger import Ledger, NotRecorded
from setpoint.ledger.rejects import receipt_identity
from setpoint.model import Event, Request
from setpoint.testing.values import NOW

MakeEvent = Callable[..., Event]
WEEK = timedelta(days=7)


def wanted(*policies: str, **how: object) -> tuple[Wanted, ...]:
    return tuple(Wanted(policy=name, **how) for name in policies)  # type: ignore[arg-type]


def arrival(
    message_id: str, *events: tuple[Event, tuple[Wanted, ...]], source: str = "queue", body: str = "{}"
) -> Arrival:
    return Arrival(message_id=message_id, source=source, body=body, events=events)


def refused(message_id: str, body: str = "no JSON") -> Arrival:
    return Arrival(message_id=message_id, source="queue", body=body, refused=("not_json", "it is not JSON"))


def fates(ledger: Ledger, *arrivals: Arrival, at: datetime = NOW) -> list[str]:
    return [one.fate for one in ledger.receive(arrivals, at).receipts]


def test_every_message_has_one_receipt(ledger: Ledger, event: MakeEvent) -> None:
    """Accepted, duplicate, rejected, unwanted or too old: each is told, in the order of the messages."""
    old = event("old", NOW - timedelta(hours=1)).model_copy(update={"received_at": NOW})
    batch = [
        arrival("1", (event("a"), wanted("web"))),
        arrival("2", (event("a"), wanted("web"))),
        refused("3"),
        arrival("4", (event("b"), ())),
        arrival("5", (old, wanted("web", max_age=timedelta(minutes=15)))),
    ]
    assert fates(ledger, *batch) == ["accepted", "duplicate", "rejected", "unwanted", "too_old"]
    assert {one.message_id for one in ledger.receipts()} == {"1", "2", "3", "4", "5"}
    assert [one.event_ids for one in ledger.receipts(fate="duplicate")] == [("a",)]
    assert ledger.receipts(since=NOW + timedelta(seconds=1)) == ()


def test_a_message_delivered_again_is_no_second_receipt(ledger: Ledger, event: MakeEvent) -> None:
    """It changes nothing, wakes nobody, and the receipt is the one of then; not so the same id of another queue."""
    first = ledger.receive([arrival("1", (event("a"), wanted("web")))], NOW)
    again = ledger.receive([arrival("1", (event("other"), wanted("web")))], NOW + timedelta(minutes=1))
    assert again.receipts == first.receipts
    assert again.known == {first.receipts[0].receipt_id}
    assert (first.woken, again.woken) == ({"web"}, frozenset())
    assert len(ledger.take_events("web", "web/1", NOW)) == 1
    assert fates(ledger, arrival("1", (event("a"), wanted("web")), source="another queue")) == ["duplicate"]


def test_the_same_message_twice_in_a_batch_is_one(ledger: Ledger, event: MakeEvent) -> None:
    """A queue may deliver a message twice in one answer."""
    one = arrival("1", (event("a"), wanted("web")))
    told = ledger.receive([one, one], NOW)
    assert told.receipts[0] == told.receipts[1]
    assert ledger.accounting(NOW).receipts == 1


def test_an_identity_counts_anew_after_the_window(ledger: Ledger, event: MakeEvent) -> None:
    """Inside the window it is a duplicate, after it a new event under an identity of its own, and so on."""
    ids = []
    for number, days in enumerate((0, 6, 7, 13, 14)):
        at = NOW + timedelta(days=days)
        message = arrival(f"m{number}", (event("a", at), wanted("web")))
        (receipt,) = ledger.receive([message], at, window=WEEK).receipts
        ids.append((receipt.fate, receipt.event_ids[0]))
    assert [fate for fate, _ in ids] == ["accepted", "duplicate", "accepted", "duplicate", "accepted"]
    assert ids[0][1] == ids[1][1] == "a"
    assert ids[2][1] == ids[3][1]
    assert len({name for _, name in ids}) == 3
    assert [one.event_id for one in ledger.take_events("web", "web/1", NOW)] == [ids[0][1], ids[2][1], ids[4][1]]


def test_without_a_window_an_identity_is_remembered_for_ever(ledger: Ledger, event: MakeEvent) -> None:
    """Such as that of a run's own event, however late the run is cleared."""
    late = NOW + timedelta(days=1000)
    assert fates(ledger, arrival("1", (event("a"), wanted("web")))) == ["accepted"]
    told = ledger.receive([arrival("2", (event("a", late), wanted("web")))], late, window=None)
    assert told.receipts[0].fate == "duplicate"
    assert ledger.accept_events([(event("a", late), ("web",))]).duplicates == ("a",)


def test_events_of_a_run_have_receipts_too(ledger: Ledger, event: MakeEvent) -> None:
    """The form, the clock and asset events are accounted for like messages, once each."""
    ledger.accept_events([(event("a"), ("web",))])
    ledger.accept_events([(event("a"), ("web",))])
    (receipt,) = ledger.receipts()
    assert (receipt.source, receipt.message_id, receipt.fate) == ("json event", "a", "accepted")


def test_a_refused_message_that_comes_again_and_can_be_read_now_is_taken_in(ledger: Ledger, event: MakeEvent) -> None:
    """A sender that tries again after the fix is served; the receipt stays one, and so does the reject."""
    assert fates(ledger, refused("1"), refused("1")) == ["rejected", "rejected"]
    later = NOW + timedelta(minutes=1)
    told = ledger.receive([arrival("1", (event("a", later), wanted("web")))], later)
    assert (told.receipts[0].fate, told.woken) == ("accepted", {"web"})
    (reject,) = ledger.rejects()
    assert (reject.state, reject.resolution, reject.resolved_at) == ("replayed", "read again: accepted, a", later)
    assert ledger.accounting(NOW).receipts == 1


def test_an_unwanted_message_that_is_wanted_later(ledger: Ledger, event: MakeEvent) -> None:
    """Its body is kept until then, and not longer."""
    message = arrival("1", (event("a"), ()), body='{"whole": "body"}')
    ledger.receive([message], NOW)
    receipt_id = receipt_identity("queue", "1")
    assert ledger.kept_message(receipt_id).body == '{"whole": "body"}'
    assert fates(ledger, arrival("1", (event("a"), wanted("web")))) == ["accepted"]
    assert ledger.unwanted_events() == ()
    with pytest.raises(NotRecorded, match="refused or unwanted"):
        ledger.kept_message(receipt_id)


def test_events_of_one_moment_keep_their_order(ledger: Ledger, event: MakeEvent) -> None:
    """Of requests received in one batch the first comes first, whatever their ids; a FIFO queue relies on it."""
    names = ["z", "a", "m"]
    ledger.receive([arrival(name, (event(name, request={}), wanted("web"))) for name in names], NOW)
    taken = [ledger.take_events("web", f"web/{n}", NOW)[0].event_id for n in range(3)]
    assert taken == names


def test_what_waited_too_long_is_not_acted_on(ledger: Ledger, event: MakeEvent) -> None:
    """A paused policy's events end as too old: at the next run, or at the next sweep when there is none."""
    limit = timedelta(minutes=15)
    batch = [
        arrival(name, (event(name, at), wanted("web", max_age=limit)))
        for name, at in (("old", NOW - timedelta(minutes=14)), ("new", NOW))
    ]
    ledger.receive(batch, NOW)
    later = NOW + timedelta(minutes=2)
    assert [one.event_id for one in ledger.take_events("web", "web/1", later)] == ["new"]
    assert ledger.accounting(NOW).too_old == 1
    ledger.release_events("web/1")
    assert ledger.close_aged(NOW + timedelta(hours=1)) == 1
    assert ledger.close_aged(NOW + timedelta(hours=1)) == 0
    assert (ledger.accounting(NOW).too_old, ledger.pending_policies()) == (2, ())


def test_dismissing_a_reject(ledger: Ledger) -> None:
    """A person has looked at it: it is not among the open ones any more."""
    ledger.receive([refused("1"), refused("2")], NOW)
    reject_id = receipt_identity("queue", "1")
    put_aside = ledger.dismiss_reject(reject_id, "a test of the network team", NOW)
    assert (put_aside.state, put_aside.resolution) == ("dismissed", "a test of the network team")
    assert [one.message_id for one in ledger.rejects(state="open")] == ["2"]
    assert ledger.reject(reject_id) == put_aside
    with pytest.raises(NotRecorded, match="setpoint event rejects"):
        ledger.dismiss_reject("unheard-of", "why not", NOW)


def test_a_message_of_two_policies_is_counted_once(ledger: Ledger, event: MakeEvent) -> None:
    """It is open while one of them has not ended it; then it counts as the most that came of it."""
    ledger.receive([arrival("1", (event("a"), wanted("api", "web")))], NOW)
    ledger.take_events("web", "web/1", NOW)
    ledger.close_events("web/1", "failed", NOW)
    assert ledger.accounting(NOW).waiting == 1
    ledger.take_events("api", "api/1", NOW)
    ledger.close_events("api/1", "held", NOW)
    books = ledger.accounting(NOW)
    assert (books.acted_on, books.failed, books.waiting, books.missing) == (1, 0, 0, 0)


RULE = CountRule("rule", 3, timedelta(minutes=1))
LIMIT = timedelta(minutes=5)
_step = st.sampled_from(
    ["event", "same", "bad", "stray", "old", "ask", "count", "take", "join", "close", "release", "age"]
)


def message(step: str, number: int, at: datetime) -> Arrival | None:
    """What a step sends, if it sends anything."""
    if step == "bad":
        return refused(f"m{number}")
    sorts: dict[str, tuple[str, datetime, tuple[Wanted, ...]]] = {
        "event": (f"e{number}", at, wanted("web", max_age=LIMIT)),
        "same": ("e0", at, wanted("web", max_age=LIMIT)),
        "stray": (f"s{number}", at, ()),
        "old": (f"o{number}", at - timedelta(hours=1), wanted("web", max_age=LIMIT)),
        "ask": (f"r{number}", at, wanted("web", max_age=LIMIT)),
        "count": (f"c{number}", at, wanted("web", max_age=LIMIT, rules=(RULE,))),
    }
    if step not in sorts:
        return None
    identity, occurred, by = sorts[step]
    event = Event(
        event_id=identity,
        kind="json",
        source="s",
        occurred_at=occurred,
        received_at=at,
        request=Request() if step == "ask" else None,
    )
    return arrival(f"m{number}", (event, by))


@settings(max_examples=50, deadline=None)
@given(st.lists(_step, max_size=40))
def test_the_books_balance_whatever_happens(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Messages of every sort, runs that take, join, end and fail, in any order: each message is counted once."""
    path = tmp_path_factory.mktemp("books") / "ledger.db"
    clock, sent, run = [NOW], 0, 0
    with Ledger.open(f"sqlite:///{path}", clock=lambda: clock[0]) as ledger:
        for step in steps:
            at = clock[0] = clock[0] + timedelta(seconds=20)
            run += step == "take"
            if (made := message(step, sent, at)) is not None:
                ledger.receive([made], at)
                sent += 1
            elif step == "take":
                ledger.take_events("web", f"web/{run}", at)
            elif step == "join":
                ledger.join_events(f"web/{run}", "web", at)
            elif step == "close":
                ledger.close_events(f"web/{run}", "held", at)
            elif step == "release":
                ledger.release_events(f"web/{run}")
            else:
                ledger.close_aged(at)
            books = ledger.accounting(NOW)
            assert (books.receipts, books.missing) == (sent, 0)
        end = clock[0]
        for last in range(run + 1, run + sent + 2):
            ledger.take_events("web", f"web/{last}", end)
        for each in range(1, run + sent + 2):
            ledger.close_events(f"web/{each}", "held", end)
        ledger.close_aged(end + timedelta(hours=2))
        books = ledger.accounting(NOW)
        assert (books.receipts, books.missing, books.waiting) == (sent, 0, 0)
