"""CloudEvents 1.0: as JSON, in HTTP headers, with data in every form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.events.cloudevents import CloudEvent, CloudEventsConfig
from setpoint.events.cloudevents_http import from_headers, is_cloudevent
from setpoint.events.contract import EventError
from setpoint.events.kept import kept
from setpoint.events.rejects import REJECTS
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]

STRUCTURED = "cloudevents/structured"
HEADERS = {
    "CE-SpecVersion": "1.0",
    "ce-type": "com.example.checkout.queue.growing",
    "ce-source": "/storefront/checkout",
    "ce-id": "A234-1234-1234",
    "ce-time": "2026-03-01T12:00:10Z",
    "ce-subject": "queues/checkout",
    "Content-Type": "application/json; charset=utf-8",
}


def config(**options: Any) -> CloudEventsConfig:
    """A policy's trigger on CloudEvents."""
    return CloudEventsConfig.model_validate({"kind": "cloudevents", "queue": "q", **options})


def test_a_cloudevent_is_read(message: Messages, read: Read) -> None:
    """Attributes, extensions, data and target come through."""
    (event,) = read(message(STRUCTURED))
    assert event.targets == ("storefront-web",)
    assert event.occurred_at == datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
    assert event.summary == "com.example.checkout.queue.growing from /storefront/checkout about queues/checkout"
    assert event.payload["data"] == message(STRUCTURED)["data"]
    assert str(event.payload["traceparent"]).startswith("00-4bf92f")


def test_source_and_id_are_the_identity(message: Messages, read: Read) -> None:
    """Another source's event of the same id is another event; other content under both is the same one."""
    body = message(STRUCTURED)
    first = read(body)[0].event_id
    assert read({**body, "type": "com.example.other", "data": None})[0].event_id == first
    assert read({**body, "source": "/other"})[0].event_id != first
    assert read({**body, "id": "other"})[0].event_id != first


def test_an_event_without_a_time_happened_when_it_arrived(message: Messages, read: Read, received_at: datetime) -> None:
    """The attribute ``time`` is optional."""
    body = message(STRUCTURED)
    del body["time"]
    assert read(body)[0].occurred_at == received_at


def test_base64_that_holds_json_is_data(message: Messages, read: Read) -> None:
    """Filters need not know how the data came."""
    (event,) = read(message("cloudevents/base64"))
    assert event.payload["data"] == {"region": "eu-west-1", "waiting": 4180}
    assert CloudEvent.wanted(event, config(where={"$.data.waiting": {"above": 4000}}))


def test_binary_data_is_counted_and_not_kept(message: Messages, read: Read) -> None:
    """A picture says nothing to a filter."""
    body = message("cloudevents/base64")
    (event,) = read({**body, "datacontenttype": "image/png", "data_base64": base64.b64encode(b"\x89PNG").decode()})
    assert event.payload["data_bytes"] == 4
    assert "data" not in event.payload


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"specversion": "0.3"}, "invalid", "specversion: '0.3'"),
        ({"id": ""}, "invalid", "id: ''"),
        ({"source": None}, "invalid", "source: None"),
        ({"type": None}, "invalid", "type: None"),
        ({"time": "noon"}, "invalid", "time: 'noon'"),
        ({"nested": {"a": 1}}, "invalid", "'nested': an attribute is a text or a number"),
        ({"data_base64": "e30="}, "invalid", "both data and data_base64"),
        ({"data": None, "data_base64": "!"}, "invalid", "data_base64: '!': not base64"),
        ({"data": None, "data_base64": "é"}, "invalid", "not base64"),
        ({"data": None, "data_base64": 7}, "invalid", "not base64"),
        ({"data": None, "data_base64": base64.b64encode(b"{").decode()}, "not_json", "data_base64 is not JSON"),
        ({"data": None, "data_base64": base64.b64encode(b"\xff").decode()}, "not_json", "not UTF-8"),
        ({"data": None, "data_base64": base64.b64encode(b'"\\u0000"').decode()}, "bad_text", "NUL"),
        ({"data": None, "data_base64": base64.b64encode(b"[" * 99 + b"]" * 99).decode()}, "too_deep", "deeper"),
        ({f"x{number}": "1" for number in range(40)}, "invalid", "at most 30"),
    ],
)
def test_what_is_no_cloudevent_is_refused(
    change: dict[str, Any], code: str, says: str, message: Messages, read: Read
) -> None:
    """Each with its place and what is allowed; data in base64 is read as strictly as a message."""
    with pytest.raises(EventError) as caught:
        read({**message(STRUCTURED), **change})
    assert caught.value.code == code
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"type": "com.example.checkout.*"}, True),
        ({"type": "com.example.order.*"}, False),
        ({"source": "/storefront/*"}, True),
        ({"source": "/other"}, False),
        ({"subject": "queues/checkout"}, True),
        ({"subject": "queues/*"}, True),
        ({"subject": "queues"}, False),
        ({"where": {"$.data.region": ["eu-west-1", "eu-west-2"], "$.data.waiting": {"above": 4000}}}, True),
        ({"where": {"$.data.queues[*]": "payment"}}, True),
        ({"where": {"$.subject": {"prefix": "queues/"}, "$.traceparent": {"exists": True}}}, True),
        ({"where": {"$.data.waiting": {"above": 5000}}}, False),
        ({"type": "com.example.checkout.*", "where": {"$.data.region": "us-east-1"}}, False),
    ],
)
def test_a_cloudevent_is_wanted_by_attributes_and_content(
    options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Every option must agree."""
    assert CloudEvent.wanted(read(message(STRUCTURED))[0], config(**options)) is wanted


def test_an_event_without_subject_fits_only_the_open_pattern(message: Messages, read: Read) -> None:
    """Who asks for a subject does not get those without."""
    body = message(STRUCTURED)
    del body["subject"]
    (event,) = read(body)
    assert CloudEvent.wanted(event, config())
    assert not CloudEvent.wanted(event, config(subject="queues/*"))


def test_large_data_is_matched_and_not_kept(message: Messages, read: Read) -> None:
    """A filter goes by all of it, before it is left out."""
    (event,) = read({**message(STRUCTURED), "data": {"rows": ["x" * 100] * 500, "total": 500}})
    assert CloudEvent.wanted(event, config(where={"$.data.total": 500}))
    small = kept(event)
    assert "data" not in small.payload
    assert small.payload["data_left_out_characters"] > 50_000  # type: ignore[operator]
    assert small.payload["type"] == event.payload["type"]


def test_binary_mode_becomes_the_structured_form(message: Messages, read: Read) -> None:
    """Headers and body give the event that the same attributes give as JSON."""
    assert is_cloudevent(HEADERS)
    structured = from_headers(HEADERS, json.dumps(message(STRUCTURED)["data"]).encode())
    (binary,) = read(structured)
    (json_mode,) = read(message(STRUCTURED))
    assert binary.event_id == json_mode.event_id
    assert binary.payload["data"] == json_mode.payload["data"]
    assert binary.occurred_at == json_mode.occurred_at


def test_structured_mode_is_the_body(message: Messages) -> None:
    """Headers that repeat the attributes do not matter then."""
    headers = {"content-type": "Application/CloudEvents+JSON; charset=utf-8", "ce-specversion": "1.0", "ce-id": "other"}
    assert is_cloudevent({"Content-Type": headers["content-type"]})
    assert from_headers(headers, json.dumps(message(STRUCTURED)).encode()) == message(STRUCTURED)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("Euro%20%e2%82%ac", "Euro €"),
        ('"a \\"quoted\\" text"', 'a "quoted" text'),
        ("  padded  ", "padded"),
        ("100%25", "100%"),
        ("%2541", "%41"),
    ],
)
def test_a_headers_value_is_unquoted_and_decoded_once(sent: str, meant: str) -> None:
    """As section 3.1.3.2 of the HTTP binding says, older senders' quotes included."""
    assert from_headers({**HEADERS, "ce-subject": sent}, b"")["subject"] == meant


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'[1, "two"]', {"data": [1, "two"]}),
        ("application/problem+json; charset=utf-8", b"{}", {"data": {}}),
        ("text/plain; charset=utf-8", "größer".encode(), {"data": "größer"}),
        ("application/octet-stream", b"\x00\x01", {"data_base64": "AAE="}),
        ("application/json", b"", {}),
    ],
)
def test_the_body_is_data_by_its_type(content_type: str, body: bytes, data: dict[str, Any]) -> None:
    """JSON is JSON, text is text, the rest is base64."""
    structured = from_headers({**HEADERS, "Content-Type": content_type}, body)
    assert {key: value for key, value in structured.items() if key.startswith("data") and key in data} == data
    assert structured["datacontenttype"] == content_type


@pytest.mark.parametrize(
    ("headers", "body", "code", "says"),
    [
        ({"content-type": "application/json"}, b"{}", "invalid", "neither the header ce-specversion nor"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", "invalid", "post one each"),
        ({"content-type": "application/cloudevents+avro"}, b"", "invalid", "post one each"),
        ({**HEADERS, "ce-subject": "%C0%A0"}, b"{}", "invalid", "ce-subject is not UTF-8"),
        ({**HEADERS, "ce-my_name": "x"}, b"{}", "invalid", "'ce-my_name'"),
        ({**HEADERS, "ce-datacontenttype": "text/plain"}, b"{}", "invalid", "'ce-datacontenttype'"),
        ({**HEADERS, "ce-subject": ""}, b"{}", "invalid", "0 characters"),
        ({**HEADERS, "ce-subject": "x" * 9000}, b"{}", "invalid", "9000 characters"),
        ({**HEADERS, "ce-subject": "a%00b"}, b"{}", "bad_text", "NUL"),
        (HEADERS, b"{", "not_json", "the CloudEvent's body is not JSON"),
        (HEADERS, b"\xff", "not_json", "not UTF-8"),
        (HEADERS, b" " * 300_000, "too_large", "262,144"),
        ({"content-type": "application/cloudevents+json"}, b"[]", "not_json", "a JSON array"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(headers: dict[str, str], body: bytes, code: str, says: str) -> None:
    """The reason names the header or the body."""
    with pytest.raises(EventError) as caught:
        from_headers(headers, body)
    assert caught.value.code == code
    assert says in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=50))
def test_every_text_travels_in_a_header(text: str) -> None:
    """What a sender percent-encodes arrives as it was, but for white space around it that the sender encoded."""
    encoded = quote(text, safe="")
    assert from_headers({**HEADERS, "ce-subject": encoded}, b"")["subject"] == text


@given(
    st.dictionaries(
        st.sampled_from([*HEADERS, "ce-data", "ce-x", "CE-", "content-type"]) | st.text(max_size=8), st.text()
    ),
    st.binary() | st.sampled_from([b"{}", b'{"specversion": "1.0"}']),
)
def test_any_request_is_read_or_refused(headers: dict[str, str], body: bytes) -> None:
    """Nothing but a listed reason comes of headers and bytes that mean nothing."""
    refused: EventError | None = None
    try:
        json.dumps(from_headers(headers, body))
    except EventError as error:
        refused = error
    assert refused is None or refused.code in REJECTS
