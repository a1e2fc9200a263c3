"""From what a CloudWatch Logs subscription delivers to the batch of log events in it.

The batch is JSON, compressed with gzip and written in base64
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html). How it is wrapped depends on the
way it took to the queue: as a Lambda function gets it, as a record of a Kinesis stream (an EventBridge Pipe, or a
Lambda function's ``Records``), bare, or unpacked already by whatever forwards it.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from setpoint.events.contract import EventError
from setpoint.events.envelope import parse_object
from setpoint.events.vendor import Loose, Text, read_as
from setpoint.policy.fields import refuse

MAX_UNPACKED_BYTES = 4 * 1024 * 1024
"""What all batches of one message may weigh, unpacked. Logs shrink about tenfold; a message is at most 256 KiB."""

MAX_RECORDS = 100
"""Kinesis records one message may hold."""

_GZIP = 16 + zlib.MAX_WBITS
_LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999."""


class LogEvent(Loose):
    """One log event; its id is unique in its stream."""

    id: str = Field(max_length=200, coerce_numbers_to_str=True)
    timestamp: Annotated[int, Field(ge=0, le=_LAST_MILLISECOND)]
    """Milliseconds since 1970."""
    message: str


class LogBatch(Loose):
    """Log events of one stream."""

    messageType: Literal["DATA_MESSAGE", "CONTROL_MESSAGE"]
    owner: Text = ""
    logGroup: Text = ""
    logStream: Text = ""
    subscriptionFilters: tuple[str, ...] = ()
    logEvents: tuple[LogEvent, ...] = Field(default=(), max_length=10_000)
    """At most 10,000, as in a PutLogEvents call:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""

    @model_validator(mode="after")
    def _identified(self) -> Self:
        if self.messageType == "DATA_MESSAGE" and not (self.logGroup and all(one.id for one in self.logEvents)):
            raise refuse("a DATA_MESSAGE names its logGroup, and each of its logEvents has an id")
        return self


def carries_logs(body: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one of the wrappings."""
    return (
        "awslogs" in body
        or ("logEvents" in body and "messageType" in body)
        or _is_kinesis(body)
        or _kinesis_records(body) is not None
    )


def unpack(body: Mapping[str, Any], *, kind: str) -> list[LogBatch]:
    """The batches in a JSON object that ``carries_logs`` accepted.

    :param kind: the event kind, for errors.
    :raises EventError: ``too_large`` when they unpack to more than is read, ``invalid``, or what
        :func:`~setpoint.events.envelope.parse_object` raises.
    """
    if "awslogs" not in body and "logEvents" in body:
        return [read_as(LogBatch, dict(body), kind=kind)]
    left = MAX_UNPACKED_BYTES
    batches = []
    for packed in _packed(body, kind):
        text = _unpacked(packed, left, kind)
        left -= len(text)
        batches.append(read_as(LogBatch, _parsed(text, kind), kind=kind))
    return batches


def _packed(body: Mapping[str, Any], kind: str) -> Iterator[Any]:
    """The base64 texts in a wrapping, or whatever stands in their places."""
    if "awslogs" in body:
        wrapped = body["awslogs"]
        yield wrapped.get("data") if isinstance(wrapped, dict) else None
    elif (records := _kinesis_records(body)) is not None:
        if len(records) > MAX_RECORDS:
            raise EventError(
                "invalid", f"this {kind} message has {len(records)} records; at most {MAX_RECORDS} are read"
            )
        for record in records:
            inner = record.get("kinesis") if isinstance(record, dict) else None
            yield inner.get("data") if isinstance(inner, dict) else None
    else:
        yield body.get("data")


def _is_kinesis(record: Mapping[str, Any]) -> bool:
    """Whether an object is a record as an EventBridge Pipe takes it from a stream, and its data begins as gzip does."""
    data = record.get("data")
    return record.get("eventSource") == "aws:kinesis" and isinstance(data, str) and data.startswith("H4sI")


def _kinesis_records(body: Mapping[str, Any]) -> list[Any] | None:
    records = body.get("Records")
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        return None
    return records if records[0].get("eventSource") == "aws:kinesis" else None


def _unpacked(packed: Any, max_bytes: int, kind: str) -> bytes:
    """Undo base64 and gzip, holding at most ``max_bytes`` of the result: a few bytes may unpack to gigabytes."""
    if not isinstance(packed, str):
        raise EventError(
            "invalid", f"this {kind} message holds no data: a base64 text is expected where the batch stands"
        )
    try:
        compressed = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventError("invalid", f"this {kind} message's data is not base64: {error}") from None
    machine = zlib.decompressobj(_GZIP)
    try:
        text = machine.decompress(compressed, max_bytes + 1)
    except zlib.error as error:
        raise EventError("invalid", f"this {kind} message's data is not gzip: {error}") from None
    if len(text) > max_bytes:
        raise EventError(
            "too_large",
            f"this {kind} message unpacks to more than the {MAX_UNPACKED_BYTES:,} bytes that are read; "
            "narrow the subscription's filter pattern, or forward fewer log events in one message",
        )
    if not machine.eof or machine.unused_data:
        raise EventError(
            "invalid",
            f"this {kind} message's data is {'cut short' if not machine.eof else 'more than one gzip stream'}",
        )
    return text


def _parsed(text: bytes, kind: str) -> dict[str, Any]:
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise EventError("invalid", f"this {kind} message's data is not UTF-8: {error}") from None
    return parse_object(decoded, what="the batch of log events", max_bytes=MAX_UNPACKED_BYTES)
