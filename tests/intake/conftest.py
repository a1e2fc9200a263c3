"""A practice SQS, a ledger and policy files of the test's own."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from setpoint.events.queues import QueueRef
from setpoint.lab.config import LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client
from setpoint.ledger import Ledger

T = TypeVar("T")

DEADLINE_SECONDS = 25.0
NOW = f"{datetime.now(UTC):%FT%T}.236+0000"
"""When the alarms of these tests changed: one moment for all, so that the same alarm is the same event."""
_NUMBERS = itertools.count(1)

_POLICY = """
version: 1
name: {name}
owner: tests
targets: {{kind: aws.autoscaling_group, connection: aws_intake, region: eu-west-1, names: [{target}]}}
triggers:
  events:
    - {{kind: cloudwatch.alarm, queue: "{queue}", alarm: "{target}-*"}}
    - {{kind: json, queue: "{queue}"}}
metrics:
  cpu:
    {{source: aws.cloudwatch, namespace: AWS/EC2, name: CPUUtilization, statistic: Average, period: 60s, window: 10m}}
scale:
  strategy: threshold
  signal: {{metric: cpu}}
  out: {{above: 70, for: 3 of 5, add: 1}}
limits: {{min: 1, max: 10}}
feedback: {{after: 5m, healthy: {{cpu: {{max: 90}}}}}}
"""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    """A practice AWS; only its SQS matters here."""
    with LabProcess(LabConfig(fleets=())) as running:
        yield running


@pytest.fixture
def sqs(lab: LabProcess) -> Any:
    """A boto3 client of the practice SQS, for what the outside world does."""
    return client("sqs", lab.url)


@pytest.fixture
def connection(lab: LabProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """An Airflow connection to the practice AWS."""
    extra = {"region_name": "eu-west-1", "endpoint_url": lab.url}
    value = {"conn_type": "aws", "login": "lab", "password": "lab", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_INTAKE", json.dumps(value))
    return "aws_intake"


class Queue:
    """A queue of one test's own."""

    def __init__(self, sqs: Any, connection: str) -> None:
        self._sqs = sqs
        self.ref = QueueRef(connection=connection, region="eu-west-1", queue=f"events-{os.getpid()}-{next(_NUMBERS)}")
        self.url = ""

    def create(self) -> Queue:
        """Create it on the practice SQS."""
        self.url = self._sqs.create_queue(QueueName=self.ref.queue)["QueueUrl"]
        return self

    def send(self, *bodies: dict[str, Any] | str) -> list[str]:
        """Send messages; returns their ids."""
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        return [self._sqs.send_message(QueueUrl=self.url, MessageBody=text)["MessageId"] for text in texts]

    def left(self) -> int:
        """How many messages are in the queue, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


@pytest.fixture
def unmade_queue(sqs: Any, connection: str) -> Queue:
    """A queue that is not there yet."""
    return Queue(sqs, connection)


@pytest.fixture
def queue(unmade_queue: Queue) -> Queue:
    """A queue that is there."""
    return unmade_queue.create()


@pytest.fixture
def ledger_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a ledger of the test's own, which the settings name too."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SETPOINT_LEDGER_URL", url)
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """The test's own look into the ledger."""
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unmade_queue: Queue) -> Path:
    """A folder with the policies ``web`` and ``api``, each for the group of its name, on the test's queue."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in ("web", "api"):
        text = _POLICY.format(name=name, target=f"{name}-group", queue=unmade_queue.ref.queue)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SETPOINT_POLICIES", str(folder))
    return folder


@pytest.fixture
def alarm() -> Callable[..., dict[str, Any]]:
    """An alarm of a group as CloudWatch publishes it."""

    def make(group: str, changed_at: str | None = None) -> dict[str, Any]:
        return {
            "AlarmName": f"{group}-cpu-high",
            "AWSAccountId": "123456789012",
            "NewStateValue": "ALARM",
            "NewStateReason": "Threshold Crossed",
            "StateChangeTime": changed_at or NOW,
            "Region": "EU (Ireland)",
            "AlarmArn": f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{group}-cpu-high",
            "OldStateValue": "OK",
            "Trigger": {
                "MetricName": "CPUUtilization",
                "Namespace": "AWS/EC2",
                "Dimensions": [{"value": group, "name": "AutoScalingGroupName"}],
            },
        }

    return make


@pytest.fixture
def until() -> Callable[..., Any]:
    """Drive a stream until something is true; what it said on the way is returned."""

    def drive(stream: AsyncIterator[T], is_done: Callable[[list[T]], bool]) -> list[T]:
        return asyncio.run(asyncio.wait_for(_drive(stream, is_done), DEADLINE_SECONDS))

    return drive


async def _drive(stream: Any, is_done: Callable[[list[T]], bool]) -> list[T]:
    said: list[T] = []

    async def listen() -> None:
        async with aclosing(stream):
            async for one in stream:
                said.append(one)

    listening = asyncio.create_task(listen())
    try:
        await eventually(lambda: asyncio.to_thread(is_done, said), listening)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return said


async def eventually(is_true: Callable[[], Awaitable[bool]], *running: asyncio.Task[Any]) -> None:
    """Wait for something to become true, looking often; fails when a task ends meanwhile, or time is up."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not await is_true():
        for task in running:
            if task.done():
                task.result()
                raise AssertionError("the stream ended")
        assert time.monotonic() < end, "it did not become true in time"
        await asyncio.sleep(0.05)
