"""``aws.s3_object``: an object was created in a bucket (a metric batch has arrived), deleted or restored.

Two shapes of the same fact are read: S3's own event notification, one or several ``Records``
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), and EventBridge's
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html). One change of an object has one identity,
whichever way it came: bucket, key, version and sequencer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal
from urllib.parse import unquote_plus

from pydantic import Field, NonNegativeInt

from setpoint.events.bridge import Bridged, is_bridged
from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, shown
from setpoint.events.vendor import Loose, Pattern, Text, like, read_as
from setpoint.model import Event, UtcDatetime, digest

KIND = "aws.s3_object"
Change = Literal["created", "deleted", "restored"]

MAX_RECORDS = 1000
"""Records one notification may have; S3 sends one."""

_DETAIL_TYPES: Mapping[str, Change] = {
    "Object Created": "created",
    "Object Deleted": "deleted",
    "Object Restore Completed": "restored",
}
_PREFIXES: Mapping[str, Change] = {
    "ObjectCreated:": "created",
    "ObjectRemoved:": "deleted",
    "LifecycleExpiration:": "deleted",
    "ObjectRestore:Completed": "restored",
}


class S3ObjectConfig(EventConfig):
    """``kind: aws.s3_object``: which objects of which buckets."""

    kind: Literal["aws.s3_object"]
    bucket: Pattern = Field(default="*", description="the bucket's name, with * and ? as wildcards")
    key: Pattern = Field(
        default="*", description="the object's key, with * and ? as wildcards: metrics/*.parquet; * also matches /"
    )
    changes: tuple[Change, ...] = Field(default=("created",), min_length=1, description="what happened to the object")
    minimum_bytes: int = Field(default=0, ge=0, description="of a created object: its least size, in bytes")


class _Bucket(Loose):
    name: str = Field(min_length=1, max_length=255)


class _Object(Loose):
    key: str = Field(min_length=1, max_length=4096)
    size: NonNegativeInt | None = None
    eTag: Text = ""
    versionId: Text = ""
    sequencer: Text = ""


class _S3(Loose):
    bucket: _Bucket
    object: _Object


class _Record(Loose):
    eventSource: Literal["aws:s3"]
    eventName: str = Field(min_length=1, max_length=200)
    eventTime: UtcDatetime
    awsRegion: Text = ""
    s3: _S3


class _Notification(Loose):
    Records: tuple[_Record, ...] = Field(min_length=1, max_length=MAX_RECORDS)


class _BridgedObject(Loose):
    key: str = Field(min_length=1, max_length=1024)
    size: NonNegativeInt | None = None
    eTag: Text = Field(default="", alias="etag")
    versionId: Text = Field(default="", alias="version-id")
    sequencer: Text = ""


class _Detail(Loose):
    bucket: _Bucket
    object: _BridgedObject


class S3Object:
    """A change of an S3 object. It names no target."""

    Config: ClassVar[type[S3ObjectConfig]] = S3ObjectConfig
    looks_like: ClassVar[str] = "an S3 event notification with Records, or EventBridge's aws.s3 event of an object"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return is_bridged(body, "aws.s3", _DETAIL_TYPES) or _is_test(body) or _is_notification(body)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        if _is_test(body):
            raise EventError(
                "control_message",
                f"the message S3 sends when notifications of bucket {shown(body.get('Bucket'))} are set up; "
                "it is no event, and nothing need be done about it",
            )
        if _is_notification(body):
            notification = read_as(_Notification, body, kind=KIND)
            return [
                _event(
                    change=_change_of(record.eventName),
                    name=record.eventName,
                    bucket=record.s3.bucket.name,
                    # Written as in a form: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
                    key=unquote_plus(record.s3.object.key),
                    changed=record.s3.object,
                    occurred_at=record.eventTime,
                    region=record.awsRegion,
                    received_at=received_at,
                )
                for record in notification.Records
            ]
        envelope = read_as(Bridged[_Detail], body, kind=KIND)
        return [
            _event(
                change=_DETAIL_TYPES[envelope.detail_type],
                name=envelope.detail_type,
                bucket=envelope.detail.bucket.name,
                key=envelope.detail.object.key,
                changed=envelope.detail.object,
                occurred_at=envelope.time,
                region=envelope.region,
                received_at=received_at,
            )
        ]

    @staticmethod
    def wanted(event: Event, config: S3ObjectConfig) -> bool:
        told = event.payload
        size = told.get("size_bytes")
        return (
            told.get("change") in config.changes
            and like(told.get("bucket"), config.bucket)
            and like(told.get("key"), config.key)
            and (told.get("change") != "created" or not isinstance(size, int) or size >= config.minimum_bytes)
        )


def _is_test(body: Mapping[str, Any]) -> bool:
    return body.get("Event") == "s3:TestEvent" and body.get("Service") == "Amazon S3"


def _is_notification(body: Mapping[str, Any]) -> bool:
    records = body.get("Records")
    return isinstance(records, list) and any(
        isinstance(one, dict) and one.get("eventSource") == "aws:s3" for one in records[:1]
    )


def _change_of(event_name: str) -> str:
    return next((change for prefix, change in _PREFIXES.items() if event_name.startswith(prefix)), "other")


def _event(
    *,
    change: str,
    name: str,
    bucket: str,
    key: str,
    changed: _Object | _BridgedObject,
    occurred_at: datetime,
    region: str,
    received_at: datetime,
) -> Event:
    # A sequencer says which of an object's changes this is. Restores have none, nor has S3's practice stand-in.
    which = changed.sequencer.lower() or f"{occurred_at.isoformat()}:{changed.eTag}"
    where = f"s3://{bucket}/{key}"
    return Event(
        event_id=f"{KIND}:{digest(bucket, key, changed.versionId, which, change)}",
        kind=KIND,
        source=one_line(where, 2000),
        occurred_at=occurred_at,
        received_at=received_at,
        summary=one_line(f"{where} {change if change != 'other' else name}"),
        payload={
            "bucket": bucket,
            "key": one_line(key, 1024) if len(key) > 1024 else key,
            "change": change,
            "event": one_line(name, 200),
            "size_bytes": changed.size,
            "etag": one_line(changed.eTag, 200),
            "version": one_line(changed.versionId, 1024),
            "region": one_line(region, 50),
        },
    )
