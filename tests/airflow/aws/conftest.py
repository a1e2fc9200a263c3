"""A practice AWS with its own process, an Airflow connection to it, and a task context small enough to read."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from setpoint.lab.config import FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client, provision

BOOT_SECONDS = 0.4


@pytest.fixture(scope="session")
def lab() -> Iterator[LabProcess]:
    """The practice AWS in which an instance boots in less than half a second."""
    config = LabConfig(
        fleets=(FleetConfig(group="edge-of-aws", boot_seconds=BOOT_SECONDS, tags={"tier": "edge"}),),
        tick_seconds=0.1,
        publish_seconds=1.0,
        default_boot_seconds=BOOT_SECONDS,
        terminate_seconds=0.2,
    )
    with LabProcess(config) as running:
        provision(running.url, config.fleets)
        yield running


@pytest.fixture
def connection(lab: LabProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to the practice AWS."""
    extra = f'{{"region_name": "eu-west-1", "endpoint_url": "{lab.url}"}}'
    value = f'{{"conn_type": "aws", "login": "lab", "password": "lab", "extra": {extra}}}'
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LAB", value)
    return "aws_lab"


@pytest.fixture
def autoscaling(lab: LabProcess) -> Any:
    """A boto3 client of the practice AWS, for looking behind the operators' backs."""
    return client("autoscaling", lab.url)


_NUMBERS = itertools.count(1)


@pytest.fixture
def group(autoscaling: Any) -> Iterator[Callable[..., str]]:
    """Make groups of this test's own."""
    made: list[str] = []

    def make(*, desired: int = 3, smallest: int = 1, largest: int = 6) -> str:
        name = f"group-{os.getpid()}-{next(_NUMBERS)}"
        template = f"{name}-configuration"
        autoscaling.create_launch_configuration(
            LaunchConfigurationName=template, ImageId="ami-12c6146b", InstanceType="m5.large"
        )
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName=template,
            MinSize=smallest,
            MaxSize=largest,
            DesiredCapacity=desired,
            AvailabilityZones=["eu-west-1a"],
        )
        made.append(name)
        return name

    yield make
    for name in made:
        if autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]:
            autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)


class RecordedInstance:
    """What an operator pushes, by key."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.fixture
def context() -> dict[str, Any]:
    """The part of a task's context that the operators touch."""
    return {"ti": RecordedInstance()}


Rows = Sequence[dict[str, str]]


@dataclass
class Insights:
    """A CloudWatch Logs that answers as a test says: moto's queries are complete at once and cannot be stopped."""

    answers: list[Rows | str | None] = field(default_factory=list)
    """What each query started comes to: rows, a failed status, or ``None`` for one that runs on. The last repeats."""
    polls_until_done: int = 0
    """How often a query says that it runs before it says how it ended."""
    refusals: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Errors, code and HTTP status, that an operation answers with before it works."""
    hold_start: threading.Event | None = None
    """While this is not set, StartQuery does not answer."""
    started: list[dict[str, Any]] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """An operation's HTTP status and answer."""
        if self.refusals.get(operation):
            code, status = self.refusals[operation].pop(0)
            return status, {"__type": code, "message": f"{code} says the server"}
        if operation == "StartQuery":
            self.started.append(request)
            number = len(self.started)
            if self.hold_start is not None:
                self.hold_start.wait(30)
            return 200, {"queryId": f"q-{number}"}
        if operation == "StopQuery":
            self.stopped.append(request["queryId"])
            return 200, {"success": True}
        assert operation == "GetQueryResults"
        self.polled.append(request["queryId"])
        return 200, self._results(request["queryId"])

    def _results(self, query_id: str) -> dict[str, Any]:
        number = int(query_id.removeprefix("q-"))
        if query_id in self.stopped:
            return {"status": "Cancelled", "results": []}
        outcome = self.answers[min(number, len(self.answers)) - 1]
        if outcome is None or self.polled.count(query_id) <= self.polls_until_done:
            return {"status": "Scheduled" if self.polled.count(query_id) == 1 else "Running", "results": []}
        if isinstance(outcome, str):
            return {"status": outcome, "results": []}
        rows = [[{"field": key, "value": value} for key, value in {**row, "@ptr": "CmEK"}.items()] for row in outcome]
        return {"status": "Complete", "results": rows}


class InsightsServer(ThreadingHTTPServer):
    """Serves one :class:`Insights` on a port of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        self.insights = Insights()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.insights.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: InsightsServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        status, answer = self.server.insights.answer(operation, request)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def insights(monkeypatch: pytest.MonkeyPatch) -> Iterator[Insights]:
    """A CloudWatch Logs of the test's own, with the Airflow connection ``aws_insights`` to it."""
    with InsightsServer() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serving.start()
        extra = {"region_name": "eu-west-1", "endpoint_url": server.insights.url}
        value = {"conn_type": "aws", "login": "lab", "password": "lab", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_INSIGHTS", json.dumps(value))
        yield server.insights
        server.shutdown()
        serving.join(30)
