"""S3 objects: S3's own notification and EventBridge's event."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from setpoint.events.contract import EventError
from setpoint.events.s3_object import MAX_RECORDS, S3Object, S3ObjectConfig
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]
NOTIFICATION = "aws.s3_object/notification"


def objects(events: tuple[Event, ...]) -> list[Event]:
    """The readings of this kind."""
    return [event for event in events if event.kind == "aws.s3_object"]


def config(**options: Any) -> S3ObjectConfig:
    """A trigger's section."""
    return S3ObjectConfig(kind="aws.s3_object", queue="q", **options)


def test_one_creation_has_one_identity_whichever_way_it_came(message: Messages, read: Read) -> None:
    """S3's notification writes the key as in a form and the sequencer in capitals; EventBridge does neither."""
    (notified,) = objects(read(message(NOTIFICATION)))
    (bridged,) = objects(read(message("aws.s3_object/eventbridge")))
    assert notified.event_id == bridged.event_id
    assert notified.source == bridged.source == "s3://metric-batches/storefront/2026-03-01/batch 1200.parquet"
    assert notified.payload["size_bytes"] == bridged.payload["size_bytes"] == 48213
    assert notified.summary.endswith("batch 1200.parquet created")


def test_every_record_is_an_event(message: Messages, read: Read) -> None:
    """A notification of two objects is two events, told apart."""
    first, second = objects(read(message("aws.s3_object/notification_two_records")))
    assert [event.payload["key"] for event in (first, second)] == [
        "storefront/2026-03-01/cpu.parquet",
        "storefront/2026-03-01/latency.parquet",
    ]
    assert first.event_id != second.event_id


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"bucket": "metric-*", "key": "storefront/*.parquet"}, True),
        ({"bucket": "other"}, False),
        ({"key": "*.csv"}, False),
        ({"changes": ["deleted"]}, False),
        ({"minimum_bytes": 48213}, True),
        ({"minimum_bytes": 48214}, False),
    ],
)
def test_objects_are_wanted_by_bucket_key_and_size(
    options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Creations are wanted unless more is said."""
    (event,) = objects(read(message(NOTIFICATION)))
    assert S3Object.wanted(event, config(**options)) is wanted


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ObjectCreated:Copy", "created"),
        ("ObjectRemoved:DeleteMarkerCreated", "deleted"),
        ("LifecycleExpiration:Delete", "deleted"),
        ("ObjectRestore:Completed", "restored"),
        ("ObjectRestore:Post", "other"),
        ("ObjectTagging:Put", "other"),
    ],
)
def test_a_notification_of_another_change_is_told_apart(name: str, change: str, message: Messages, read: Read) -> None:
    """Only what is created wakes by default; tagging wakes nobody, and neither is refused."""
    body = message(NOTIFICATION)
    body["Records"][0]["eventName"] = name
    (event,) = objects(read(body))
    assert event.payload["change"] == change
    assert S3Object.wanted(event, config()) is (change == "created")
    assert S3Object.wanted(event, config(changes=["deleted", "restored"])) is (change in ("deleted", "restored"))


@pytest.mark.parametrize("key", ["sequencer", "versionId"])
def test_another_version_is_another_event(key: str, message: Messages, read: Read) -> None:
    """The same key written again is news."""
    body = message(NOTIFICATION)
    again = copy.deepcopy(body)
    again["Records"][0]["s3"]["object"][key] = "0065E1C2A06B3F9D99"
    assert objects(read(body))[0].event_id != objects(read(again))[0].event_id


def test_without_a_sequencer_time_and_content_tell_it(message: Messages, read: Read) -> None:
    """Some changes have no sequencer; their time and entity tag stand in for it."""
    body = message(NOTIFICATION)
    del body["Records"][0]["s3"]["object"]["sequencer"]
    later = copy.deepcopy(body)
    later["Records"][0]["eventTime"] = "2026-03-01T12:00:01.000Z"
    assert objects(read(body))[0].event_id == objects(read(copy.deepcopy(body)))[0].event_id
    assert objects(read(body))[0].event_id != objects(read(later))[0].event_id


def test_the_message_s3_tries_a_queue_with_is_set_aside(message: Messages, read: Read) -> None:
    """Setting notifications up sends a test message: no event, and no fault either."""
    with pytest.raises(EventError, match="'metric-batches' are set up") as caught:
        read(message("s3_test"))
    assert caught.value.code == "control_message"


def test_every_problem_of_every_record_is_listed(message: Messages, read: Read) -> None:
    """One broken record refuses the message, with the record's number: half a message is not half read."""
    body = message("aws.s3_object/notification_two_records")
    body["Records"][1]["eventTime"] = "noon"
    body["Records"][1]["s3"]["object"]["size"] = -1
    with pytest.raises(EventError) as caught:
        read(body)
    assert "Records.1.eventTime: 'noon'" in str(caught.value)
    assert "Records.1.s3.object.size: -1" in str(caught.value)


def test_too_many_records_are_refused(message: Messages, read: Read) -> None:
    """A bound, however small each record is."""
    record = {"eventSource": "aws:s3", "eventName": "x", "eventTime": "2026-03-01T12:00:00Z"}
    record["s3"] = {"bucket": {"name": "b"}, "object": {"key": "k"}}  # type: ignore[assignment]
    with pytest.raises(EventError, match=f"at most {MAX_RECORDS}"):
        read({"Records": [record] * (MAX_RECORDS + 1)})
