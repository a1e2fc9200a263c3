"""Every registered kind reads the messages it shows, and no kind takes another's for its own."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.events import EVENTS
from setpoint.events.contract import EventError
from setpoint.events.envelope import open_envelope
from setpoint.events.intake import event_kinds, read_message
from setpoint.events.rejects import REJECTS
from setpoint.model import Event

RECEIVED_AT = datetime(2026, 3, 2, tzinfo=UTC)
"""After every example happened."""
KINDS = event_kinds()
EXAMPLES = [(kind, title) for kind in EVENTS for title in sorted(KINDS[kind].examples())]


def the_body(kind: str, title: str) -> dict[str, Any]:
    """An example's message, to be changed at will."""
    return copy.deepcopy(dict(KINDS[kind].examples()[title]))


def read(body: dict[str, Any], message_id: str = "m") -> tuple[Event, ...]:
    """What the intake makes of a message."""
    text = json.dumps(body)
    return read_message(text, message_id=message_id, source="s", received_at=RECEIVED_AT, kinds=KINDS)


@pytest.mark.parametrize("kind", list(EVENTS))
def test_every_kind_shows_a_message(kind: str) -> None:
    """The reference has something to show, and the tests below something to read."""
    assert KINDS[kind].examples()


@pytest.mark.parametrize(("kind", "title"), EXAMPLES)
def test_a_kind_reads_its_own_examples(kind: str, title: str) -> None:
    """At least one event of the kind comes out, with a summary, in the past, small, and it survives the ledger."""
    events = [event for event in read(the_body(kind, title)) if event.kind == kind]

    assert events
    for event in events:
        assert event.summary
        assert event.occurred_at < event.received_at == RECEIVED_AT
        assert Event.model_validate(json.loads(json.dumps(event.to_json()))) == event


@pytest.mark.parametrize(("kind", "title"), EXAMPLES)
def test_no_other_kind_takes_it_for_its_own(kind: str, title: str) -> None:
    """What came through EventBridge is an ``eventbridge`` event too; its own example is one of Auto Scaling's."""
    content = open_envelope(json.dumps(the_body(kind, title)), message_id="m", source="s").content
    allowed = {kind, "eventbridge"} if KINDS["eventbridge"].recognises(content) else {kind}
    if kind == "eventbridge":
        allowed.add("aws.autoscaling")

    assert {name for name in EVENTS if KINDS[name].recognises(content)} <= allowed


@pytest.mark.parametrize(("kind", "title"), EXAMPLES)
def test_a_redelivered_example_is_the_same_event(kind: str, title: str) -> None:
    """Under another delivery's id and with its keys in another order it has the same identity."""
    body = the_body(kind, title)
    turned = dict(reversed(list(body.items())))
    first, again = ([event.event_id for event in read(one, name)] for one, name in ((body, "1"), (turned, "2")))

    assert first == again
    assert len(set(first)) == len(first)


def test_an_identity_stands_for_one_happening() -> None:
    """Examples that share an event's identity tell of the same moment and kind, in another envelope."""
    told: dict[str, set[str]] = {}
    for kind, title in EXAMPLES:
        for event in read(the_body(kind, title)):
            told.setdefault(event.event_id, set()).add(f"{event.kind} {event.occurred_at:%H:%M:%S}")
    assert [moments for moments in told.values() if len(moments) > 1] == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
_hostile = st.sampled_from(
    [None, True, -1, 10**30, 1e308, "", "x" * 3000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", [], {},
     [None], {"a": None}, "{{ conf }}", "🦆" * 300, [[[]]], "\u202e", 253402300800]
)  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value in a JSON document, but the document itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in ((*path, key), *places(one, (*path, key)))]


@given(st.data())
def test_a_spoilt_example_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever stands in one or two places of an example instead, it is events or a listed reason, and bounded."""
    kind, title = data.draw(st.sampled_from(EXAMPLES))
    body = the_body(kind, title)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(body)))
        holder: Any = body
        for step in path[:-1]:
            holder = holder[step]
        if data.draw(st.booleans()) and isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = data.draw(_hostile | _json)
        if not body:
            break
    refused: EventError | None = None
    events: tuple[Event, ...] = ()
    try:
        events = read(body)
    except EventError as error:
        refused = error
    assert refused is None or refused.code in REJECTS.keys() - {"kind_failed"}
    assert len(str(refused)) < 20_000
    for event in events:
        assert len(event.summary) <= 1000
        assert Event.model_validate(json.loads(json.dumps(event.to_json()))) == event
