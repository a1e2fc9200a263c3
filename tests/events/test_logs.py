"""CloudWatch Logs' subscription payloads, however they are wrapped, and everything that only looks like one."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events.contract import EventError
from setpoint.events.logs import LogsConfig, LogsEvent
from setpoint.events.logs_payload import MAX_RECORDS, MAX_UNPACKED_BYTES
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]
WRAPPINGS = ["lambda", "unpacked", "kinesis_pipe", "kinesis_lambda"]


def wants(event: Event, /, **options: Any) -> bool:
    """Whether a trigger with these options wants it."""
    return LogsEvent.wanted(event, LogsConfig(kind="aws.logs", queue="q", **options))


def packed(content: bytes | str | dict[str, Any]) -> str:
    """Something as CloudWatch Logs would write it."""
    raw = json.dumps(content).encode() if isinstance(content, dict) else content
    return base64.b64encode(gzip.compress(raw if isinstance(raw, bytes) else raw.encode(), mtime=0)).decode()


def batch(*messages: str, **more: Any) -> dict[str, Any]:
    """A batch of log events with these messages."""
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/ecs/checkout",
        "logStream": "one",
        "subscriptionFilters": ["setpoint"],
        "logEvents": [
            {"id": f"{number}", "timestamp": 1772366455000 + number, "message": text}
            for number, text in enumerate(messages)
        ],
        **more,
    }


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_wrapping_gives_the_same_events(wrapping: str, message: Messages, read: Read) -> None:
    """Lambda's, a Pipe's, Kinesis' through Lambda, unpacked: each log event has one identity whichever way it came."""
    events = read(message(f"aws.logs/{wrapping}"))
    assert [event.event_id for event in events] == [event.event_id for event in read(message("aws.logs/lambda"))]
    assert [event.occurred_at for event in events] == [
        datetime(2026, 3, 1, 12, 0, 55, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 56, 210_000, tzinfo=UTC),
    ]
    assert events[1].summary == "/ecs/checkout: 2026-03-01T12:00:56Z ERROR payment queue is full, 812 waiting"
    assert events[1].source == "/ecs/checkout:checkout/checkout/c13b4cb40f1f4fe4a2971f76ae5a47ad"
    assert events[1].payload["log_group"] == "/ecs/checkout"


def test_the_bare_base64_text_is_read(message: Messages, read: Read, in_sns: Callable[..., str]) -> None:
    """What CloudWatch Logs made, put on the queue or a topic as it is."""
    data = message("aws.logs/lambda")["awslogs"]["data"]
    events = [event.event_id for event in read(message("aws.logs/lambda"))]
    assert [event.event_id for event in read(data)] == events
    assert [event.event_id for event in read(in_sns(data))] == events


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, (True, True)),
        ({"log_group": "/ecs/*"}, (True, True)),
        ({"log_group": "/aws/*"}, (False, False)),
        ({"log_stream": "checkout/*"}, (True, True)),
        ({"log_stream": "checkout"}, (False, False)),
        ({"contains": "ERROR"}, (True, True)),
        ({"contains": "error"}, (True, False)),
        ({"contains": ["ERROR", "payment queue"]}, (False, True)),
        ({"where": {"$.level": "ERROR"}}, (True, False)),
        ({"where": {"$.waiting": {"above": 800}, "$.route": {"prefix": "/p"}}}, (True, False)),
        ({"where": {"$.waiting": {"above": 812}}}, (False, False)),
        ({"where": {"$.level": "ERROR"}, "contains": "QueueFull"}, (True, False)),
    ],
)
def test_log_events_are_wanted_by_group_text_and_content(
    options: dict[str, Any], wanted: tuple[bool, bool], message: Messages, read: Read
) -> None:
    """The first message is JSON, the second is not: a trigger with ``where`` wants no message that is not."""
    assert tuple(wants(event, **options) for event in read(message("aws.logs/lambda"))) == wanted


def test_a_text_far_into_a_long_message_is_found(read: Read) -> None:
    """Filters look at the whole message, though little of it is kept."""
    (event,) = read({"awslogs": {"data": packed(batch("x" * 50_000 + " OutOfMemory"))}})
    assert wants(event, contains="OutOfMemory")
    assert len(event.summary) <= 1000


def test_a_control_message_is_set_aside(message: Messages, read: Read) -> None:
    """CloudWatch Logs tries a destination out: no event, and no fault either."""
    with pytest.raises(EventError, match="nothing need be done") as caught:
        read(message("logs_control"))
    assert caught.value.code == "control_message"


def test_the_log_events_beside_a_control_message_are_read(message: Messages, read: Read) -> None:
    """One Kinesis batch may hold both."""
    body = message("aws.logs/kinesis_lambda")
    control = {**body["Records"][0], "kinesis": {"data": message("logs_control")["awslogs"]["data"]}}
    assert len(read({"Records": [*body["Records"], control]})) == 2


def test_a_batch_without_log_events_is_told(read: Read) -> None:
    """Nothing is dropped without a word."""
    with pytest.raises(EventError, match="without log events, of group '/ecs/checkout'") as caught:
        read({"awslogs": {"data": packed(batch())}})
    assert caught.value.code == "control_message"


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (None, "invalid", "no data"),
        (7, "invalid", "no data"),
        ("", "invalid", "cut short"),
        ("no base64!", "invalid", "not base64"),
        ("H4sIé", "invalid", "not base64"),
        (base64.b64encode(b"plain").decode(), "invalid", "not gzip"),
        (packed("plain")[:20], "invalid", "cut short"),
        (packed("not json"), "not_json", "batch of log events"),
        (packed(b"\xff\xfe"), "invalid", "not UTF-8"),
        (packed("[1]"), "not_json", "array"),
        (packed('{"messageType": "DATA_MESSAGE", "messageType": "x"}'), "not_json", "twice"),
        (packed('{"a":' * 40 + "1" + "}" * 40), "too_deep", "deeper"),
        (packed({"messageType": "NEWS"}), "invalid", "messageType: 'NEWS'"),
        (packed(batch("a", logGroup="")), "invalid", "names its logGroup"),
        (packed(batch("a", logEvents=[{"id": "", "timestamp": 1, "message": "m"}])), "invalid", "has an id"),
        (packed(batch("a", logEvents=[{"id": "1", "timestamp": -1, "message": 3}])), "invalid", "timestamp: -1"),
        (packed(batch("a", logEvents=[{"id": "1", "timestamp": 10**18, "message": ""}])), "invalid", "timestamp"),
        (packed(batch("a\x00b")), "bad_text", "NUL"),
        (
            base64.b64encode(gzip.compress(json.dumps(batch("a")).encode(), mtime=0) * 2).decode(),
            "invalid",
            "more than one gzip stream",
        ),
    ],
)
def test_what_is_no_payload_is_refused_with_its_reason(data: Any, code: str, says: str, read: Read) -> None:
    """Each way of not being a batch says what is wrong."""
    with pytest.raises(EventError) as caught:
        read({"awslogs": {"data": data}})
    assert caught.value.code == code
    assert says in str(caught.value)


def test_a_zip_bomb_is_refused_unopened(read: Read) -> None:
    """A few kilobytes that would unpack to a hundred megabytes are never unpacked beyond the bound."""
    bomb = packed(b"0" * 100_000_000)
    assert len(bomb) < 200_000
    with pytest.raises(EventError, match=f"{MAX_UNPACKED_BYTES:,} bytes") as caught:
        read({"awslogs": {"data": bomb}})
    assert caught.value.code == "too_large"


def test_the_bound_is_one_for_all_records_of_a_message(read: Read) -> None:
    """Many records that each keep below the bound do not pass it together."""
    record = {"eventSource": "aws:kinesis", "kinesis": {"data": packed(batch("x" * (MAX_UNPACKED_BYTES // 3)))}}
    with pytest.raises(EventError) as caught:
        read({"Records": [record] * 4})
    assert caught.value.code == "too_large"


def test_records_are_counted(read: Read) -> None:
    """However small each is."""
    record = {"eventSource": "aws:kinesis", "kinesis": {"data": packed(batch("x"))}}
    with pytest.raises(EventError, match=f"at most {MAX_RECORDS}"):
        read({"Records": [record] * (MAX_RECORDS + 1)})


def test_two_streams_with_the_same_event_id_are_two_events(read: Read) -> None:
    """A log event's id is its stream's."""
    first = read({"awslogs": {"data": packed(batch("x"))}})[0]
    second = read({"awslogs": {"data": packed(batch("x", logStream="two"))}})[0]
    assert first.event_id != second.event_id


def test_a_message_that_looks_like_json_and_is_none_is_not_wanted_by_where(read: Read) -> None:
    """Log lines may be anything; none makes a filter fail."""
    events = read(
        {"awslogs": {"data": packed(batch("{broken", '{"a": 1} trailing', '["ERROR"]', ' {"level": "ERROR"}'))}}
    )
    assert [wants(event, where={"$.level": "ERROR"}) for event in events] == [False, False, False, True]
