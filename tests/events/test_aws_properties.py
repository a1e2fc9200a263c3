"""Whatever arrives, the kinds of AWS read it or refuse it; they never fail otherwise."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.events import EVENTS
from setpoint.events.contract import EventError
from setpoint.events.kept import kept
from setpoint.events.logs import LogsEvent
from setpoint.events.rejects import REJECTS
from setpoint.model import Event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = [*(name for name in EVENTS if name.startswith("aws.")), "eventbridge"]
MAX_KEPT_CHARACTERS = 60_000

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document."""
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*at, key))


def replaced(document: Mapping[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The document with another value at one place."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def read(kind: Any, body: Mapping[str, Any]) -> list[Event]:
    """What a kind makes of a body; refusals are listed ones."""
    if not kind.recognises(body):
        return []
    refusal: EventError | None = None
    events: list[Event] = []
    try:
        events = kind.parse(body, message_id="m", source="s", received_at=NOW)
    except EventError as error:
        refusal = error
    assert (refusal is None) == bool(events)
    assert refusal is None or (refusal.code in REJECTS and len(str(refusal)) < 10_000)
    return events


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_a_documented_message_with_anything_in_one_place_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Every field may hold any JSON; what is read stays bounded, has the same identity again, and can be filtered."""
    kind = EVENTS.load(name)
    example = data.draw(st.sampled_from(sorted(kind.examples().items())))[1]
    body = replaced(example, data.draw(st.sampled_from(list(paths(example)))), data.draw(_json))
    config = kind.Config(kind=name, queue="q")
    for event, again in zip(read(kind, body), read(kind, copy.deepcopy(body)), strict=True):
        assert event.event_id == again.event_id
        assert event.kind == name
        assert isinstance(kind.wanted(event, config), bool)
        assert len(json.dumps(kept(event).to_json())) < MAX_KEPT_CHARACTERS
        assert Event.model_validate(event.to_json()) == event


@pytest.mark.parametrize("name", KINDS)
@given(body=st.dictionaries(st.text(max_size=8), _json, max_size=4))
def test_any_object_at_all_is_read_or_refused(name: str, body: dict[str, Any]) -> None:
    """Recognising never raises, and parsing raises nothing but a refusal, recognised or not."""
    kind = EVENTS.load(name)
    assert isinstance(kind.recognises(body), bool)
    assert isinstance(read(kind, body), list)


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_where_a_batch_belongs_are_refused(content: bytes, compress: bool, encode: bool) -> None:
    """Broken base64, broken gzip, broken JSON: each is refused."""
    raw = gzip.compress(content, mtime=0) if compress else content
    data = base64.b64encode(raw).decode() if encode else raw.decode("latin-1")
    with suppress(EventError):
        LogsEvent.parse({"awslogs": {"data": data}}, message_id="m", source="s", received_at=NOW)


@given(st.integers(min_value=0, max_value=500), st.binary(min_size=1, max_size=3))
def test_a_damaged_payload_is_read_or_refused(at: int, damage: bytes) -> None:
    """Bytes overwritten inside a real payload raise nothing but a refusal."""
    example = LogsEvent.examples()["lambda"]
    raw = bytearray(base64.b64decode(example["awslogs"]["data"]))
    raw[at : at + len(damage)] = damage
    read(LogsEvent, {"awslogs": {"data": base64.b64encode(bytes(raw)).decode()}})
