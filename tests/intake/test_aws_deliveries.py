"""What the practice AWS itself puts on a queue, read as the intake reads it: nothing here was written by a test."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events import EVENTS
from setpoint.events.contract import EventError
from setpoint.events.intake import event_kinds, read_message
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client
from setpoint.model import Event

DEADLINE_SECONDS = 25.0


@pytest.fixture
def aws(lab: LabProcess) -> Callable[[str], Any]:
    """Clients of the practice AWS by service."""
    return lambda service: client(service, lab.url)


@pytest.fixture
def next_message(sqs: Any, queue: Any) -> Callable[[], str]:
    """The next message of the test's queue, taken off it."""

    def receive() -> str:
        end = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < end:
            for message in sqs.receive_message(QueueUrl=queue.url, WaitTimeSeconds=1).get("Messages", ()):
                sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
                return str(message["Body"])
        raise AssertionError("no message came")

    return receive


def read(body: str, kind: str) -> list[Event]:
    """The readings of one kind, of a message as the intake reads it."""
    events = read_message(body, message_id="m", source="queue", received_at=datetime.now(UTC), kinds=event_kinds())
    return [event for event in events if event.kind == kind]


def wants(event: Event, **options: Any) -> bool:
    """Whether a trigger of the event's kind wants it."""
    kind = EVENTS.load(event.kind)
    wanted: bool = kind.wanted(event, kind.Config(kind=event.kind, queue="q", **options))
    return wanted


def arn_of(queue: Any, sqs: Any) -> str:
    """The queue's ARN."""
    answer = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def bucket_of(aws: Callable[[str], Any], queue: Any) -> str:
    """A bucket of the test's own."""
    name = f"batches-{queue.ref.queue}"
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


def test_s3_notifies_the_queue(
    aws: Callable[[str], Any], queue: Any, sqs: Any, next_message: Callable[[], str]
) -> None:
    """Setting it up sends a test message, which is set aside; an object that is written is an event."""
    bucket = bucket_of(aws, queue)
    aws("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn_of(queue, sqs), "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    with pytest.raises(EventError) as caught:
        read(next_message(), "aws.s3_object")
    assert caught.value.code == "control_message"
    aws("s3").put_object(Bucket=bucket, Key="web/batch 12:00.parquet", Body=b"PAR1")
    (event,) = read(next_message(), "aws.s3_object")
    assert event.source == f"s3://{bucket}/web/batch 12:00.parquet"
    assert event.payload["size_bytes"] == 4
    assert wants(event, bucket=bucket, key="web/*.parquet")
    assert not wants(event, minimum_bytes=5)


def test_a_rule_forwards_s3s_events_to_the_queue(
    aws: Callable[[str], Any], queue: Any, sqs: Any, next_message: Callable[[], str]
) -> None:
    """Over EventBridge the same object is read by its own kind and by the generic one."""
    bucket = bucket_of(aws, queue)
    rule_to(queue, sqs, aws, {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}})
    aws("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    aws("s3").put_object(Bucket=bucket, Key="web/batch.parquet", Body=b"PAR1")
    body = next_message()
    (event,) = read(body, "aws.s3_object")
    assert event.source == f"s3://{bucket}/web/batch.parquet"
    (generic,) = read(body, "eventbridge")
    assert wants(generic, source="aws.s3", where={"$.detail.object.key": {"suffix": ".parquet"}})
    assert not wants(generic, where={"$.detail.bucket.name": "another"})


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("aws.autoscaling/launch_unsuccessful", ("storefront-web",)),
        ("aws.ec2_spot/interruption", ()),
        ("aws.ecs/service_placement_failure", ("prod/checkout",)),
        ("aws.ecs/task_stopped", ("prod/checkout",)),
        ("aws.health/issue", ()),
        ("aws.guardduty/finding", ("storefront-web",)),
    ],
)
def test_a_rule_forwards_what_aws_says_to_the_queue(
    name: str,
    targets: tuple[str, ...],
    aws: Callable[[str], Any],
    queue: Any,
    sqs: Any,
    next_message: Callable[[], str],
) -> None:
    """A documented event put on the bus comes off the queue as its kind, under the identity EventBridge gave it."""
    kind, _, example = name.partition("/")
    said = EVENTS.load(kind).examples()[example]
    rule_to(queue, sqs, aws, {"source": [said["source"]], "detail-type": [said["detail-type"]]})
    answer = aws("events").put_events(
        Entries=[
            {
                "Source": said["source"],
                "DetailType": said["detail-type"],
                "Detail": json.dumps(said["detail"]),
                "Resources": said["resources"],
            }
        ]
    )
    assert answer["FailedEntryCount"] == 0
    body = next_message()
    (event,) = read(body, kind)
    assert event.targets == targets
    (generic,) = read(body, "eventbridge")
    assert generic.event_id == f"eventbridge:{answer['Entries'][0]['EventId']}"


def test_a_log_subscription_reaches_the_queue(
    aws: Callable[[str], Any], queue: Any, sqs: Any, next_message: Callable[[], str]
) -> None:
    """Log events that match the filter come through a Kinesis stream, as an EventBridge Pipe forwards its records."""
    name = queue.ref.queue
    kinesis, logs = aws("kinesis"), aws("logs")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    stream = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    logs.create_log_group(logGroupName=f"/ecs/{name}")
    logs.create_log_stream(logGroupName=f"/ecs/{name}", logStreamName="one")
    logs.put_subscription_filter(
        logGroupName=f"/ecs/{name}", filterName="errors", filterPattern="ERROR", destinationArn=stream["StreamARN"]
    )
    now = int(time.time() * 1000)
    sent = ["ERROR payment queue is full", '{"level": "ERROR", "waiting": 812}']
    logs.put_log_events(
        logGroupName=f"/ecs/{name}",
        logStreamName="one",
        logEvents=[{"timestamp": now + number, "message": text} for number, text in enumerate(sent)],
    )
    start = kinesis.get_shard_iterator(
        StreamName=name, ShardId=stream["Shards"][0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    for record in kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]:
        queue.send(
            {
                "eventSource": "aws:kinesis",
                "eventSourceARN": stream["StreamARN"],
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": base64.b64encode(record["Data"]).decode(),
            }
        )
    events = read(next_message(), "aws.logs")
    assert [event.payload["message"] for event in events] == sent
    assert [event.payload["log_group"] for event in events] == [f"/ecs/{name}"] * 2
    assert [wants(event, where={"$.waiting": {"above": 800}}) for event in events] == [False, True]
    assert events[0].occurred_at == datetime.fromtimestamp(now / 1000, UTC)


def rule_to(queue: Any, sqs: Any, aws: Callable[[str], Any], pattern: dict[str, Any]) -> None:
    """A rule of EventBridge that forwards what fits a pattern to the queue."""
    name = queue.ref.queue
    aws("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
    aws("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn_of(queue, sqs)}])
