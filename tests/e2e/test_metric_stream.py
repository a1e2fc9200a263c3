"""A metric stream's object lands in a bucket: from S3's own notification through the inbox and the real Dag to AWS."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from setpoint.events.intake import event_kinds
from setpoint.events.queues import QueueRef
from setpoint.events.take_in import Message, take_in
from setpoint.lab.provision import client
from setpoint.model import Action, ChangeState, Verdict
from setpoint.policy.loader import load_policy

PATIENCE_SECONDS = 30.0
MINUTE = timedelta(minutes=1)
BUSY = 90.0


class Stream:
    """A fleet's bucket, whose notifications go to a queue of the fleet's own, and the policy that listens there."""

    def __init__(self, fleet: Any) -> None:
        self.fleet = fleet
        self.bucket = self.queue = f"stream-{fleet.name}"
        self._s3, self._sqs = client("s3", fleet.lab.url), client("sqs", fleet.lab.url)
        self._url = self._sqs.create_queue(QueueName=self.queue)["QueueUrl"]
        told = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        to_queue = {"QueueArn": told["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
        self._s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self._s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": [to_queue]}
        )

    def line(self, at: datetime, value: float) -> str:
        """A minute of the fleet's load as CloudWatch streams it, made of two samples around the value."""
        told = {
            "metric_stream_name": "fleet",
            "account_id": "123456789012",
            "region": "eu-west-1",
            "namespace": "Test",
            "metric_name": "Load",
            "dimensions": {"AutoScalingGroupName": self.fleet.name},
            "timestamp": int(at.timestamp() * 1000),
            "value": {"max": value + 5, "min": value - 5, "sum": 2 * value, "count": 2.0},
            "unit": "Percent",
        }
        return json.dumps(told) + "\n"

    def lines(self, ages: range) -> bytes:
        """Busy minutes, by how many minutes ago they began."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        return "".join(self.line(minute - age * MINUTE, BUSY) for age in ages).encode()

    def deliver(self, content: bytes) -> list[str]:
        """Write an object as Firehose does; returns what S3 said about it on the queue, and before about the queue."""
        name = f"fleet-1-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}-{len(content)}"
        self._s3.put_object(Bucket=self.bucket, Key=f"metrics/{datetime.now(UTC):%Y/%m/%d/%H}/{name}", Body=content)
        end, bodies = time.monotonic() + PATIENCE_SECONDS, list[str]()
        while not any(name in body for body in bodies):
            assert time.monotonic() < end, f"no notification came of {name}: {bodies}"
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            bodies += [message["Body"] for message in answer.get("Messages", ())]
        return bodies

    def take_in(self, bodies: list[str]) -> list[str]:
        """Take messages in as the queue's stream does; says what became of each."""
        now = datetime.now(UTC)
        taken = take_in(
            [Message(f"{now.timestamp()}-{number}", body) for number, body in enumerate(bodies)],
            inbox=self.fleet.ledger,
            kinds=event_kinds(),
            policies=[load_policy(self.fleet.policies / f"{self.fleet.name}.yaml").policy],
            queue=QueueRef(connection="aws_default", region="eu-west-1", queue=self.queue),
            source=self._url,
            now=now,
        )
        return [one.fate for one in taken.receipts]


@pytest.fixture
def stream(fleet: Any, woken_by_asset: None) -> Stream:
    """A fleet of 3 that scales by what its stream delivers, and whose latency CloudWatch is asked for as usual."""
    made = Stream(fleet)
    cpu = {
        "source": "aws.cloudwatch_stream",
        "bucket": made.bucket,
        "prefix": "metrics/%Y/%m/%d/%H/",
        "namespace": "Test",
        "name": "Load",
        "statistic": "Average",
        "unit": "Percent",
        "period": "1m",
        "window": "10m",
        "settle": "3m",
    }
    latency = {"source": "aws.cloudwatch", "namespace": "Test", "name": "latency", "statistic": "Average"}
    fleet.policy(
        triggers={
            "events": [{"kind": "aws.s3_object", "queue": made.queue, "bucket": made.bucket, "key": "metrics/*"}]
        },
        metrics={"cpu": cpu, "latency": {**latency, "period": "1s", "window": "20s", "settle": "2s"}},
        quality={
            "cpu": {"max_age": "5m", "min_coverage": 0.8, "between": [0, 100]},
            "latency": {"max_age": "10s", "min_coverage": 0.3, "full_coverage": 0.3},
        },
        scale={
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "mean"},
            "out": {"above": 70, "for": "3 of 5", "add": 2},
        },
    )
    fleet.live()
    return made


def test_what_the_stream_delivers_scales_the_fleet_out(stream: Stream) -> None:
    """A busy quarter of an hour in one object: its notification wakes the policy, its points add two instances, once.

    The message with which S3 tries out the queue is no event, and the same notification again is known.
    """
    fleet = stream.fleet
    bodies = stream.deliver(gzip.compress(stream.lines(range(16))))
    assert sorted(stream.take_in(bodies)) == ["accepted", "control"]
    assert stream.take_in([body for body in bodies if "Records" in body]) == ["duplicate"]
    assert fleet.name in fleet.ledger.pending_policies()

    run = fleet.run()

    (event,) = fleet.ledger.events_of(run)
    assert (event.event.kind, event.event.payload["bucket"]) == ("aws.s3_object", stream.bucket)
    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.from_units, decision.to_units) == (Action.SCALE_OUT, 3, 5), decision.reasons
    assert (decision.quality, decision.event_ids) == (Verdict.PASS, (event.event.event_id,))
    assert {one.metric: one.value for one in decision.signals}["cpu"] == BUSY
    (change,) = fleet.ledger.changes_of(run)
    assert change.state is ChangeState.SETTLED
    assert (fleet.desired, len(fleet.capacity_calls)) == (5, 1)
    assert fleet.state == "success"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda stream: gzip.compress(stream.lines(range(11, 16))), id="stale"),
        pytest.param(lambda stream: gzip.compress(b""), id="empty"),
        pytest.param(lambda stream: gzip.compress(stream.lines(range(16)))[:-9], id="cut off"),
    ],
)
def test_an_object_that_tells_nothing_of_now_changes_nothing(
    stream: Stream, content: Callable[[Stream], bytes]
) -> None:
    """It wakes the policy all the same; busy minutes of long ago, none at all, or half an object are no reason."""
    fleet = stream.fleet
    assert "accepted" in stream.take_in(stream.deliver(content(stream)))

    run = fleet.run()

    assert [one.event.kind for one in fleet.ledger.events_of(run)] == ["aws.s3_object"]
    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.quality) == (Action.QUARANTINE, Verdict.FAIL), decision.reasons
    assert "cpu" in decision.reasons[0].text
    assert (fleet.desired, fleet.capacity_calls) == (3, [])
    assert fleet.task_states[("quarantine", -1)] == "success"
