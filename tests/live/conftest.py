"""A real Airflow (scheduler, triggerer, Dag processor, API server) against the practice AWS, for all live tests.

One of each for the whole session: starting them is what takes long. Each test has a fleet and a policy of its own,
written before Airflow starts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from setpoint.lab.config import FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import airflow_connection, client, provision
from setpoint.ledger import Ledger
from setpoint.stack.client import StackClient
from setpoint.stack.local import LocalStack
from setpoint.stack.settings import REPOSITORY, prepare_home

T = TypeVar("T")

FLEETS = (
    "alarm",
    "json",
    "burst",
    "manual",
    "posted",
    "poison",
    "mixed-a",
    "mixed-b",
    "drift",
    "crash",
    "sensor",
    "form",
    "harm",
    "hook",
    "landed",
    "storm",
    "zeros",
)
STORM_QUEUE = "storm-events"
"""A queue of its own, on which no alarm of the practice AWS arrives, so that what was sent is known."""
STORM_POLICIES = tuple(f"storm-{number}" for number in range(1, 7))

THEIR_DAG = '''
"""Somebody else's Dag: waits for a fleet's CPU with Setpoint's sensor, deferred."""
from datetime import datetime, timezone
from airflow.sdk import DAG
from setpoint_airflow.sensors.metric_threshold import MetricThresholdSensor

with DAG("theirs", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    MetricThresholdSensor(
        task_id="wait_for_cpu", metric={metric!r}, targets="sensor", rule={{"above": 70, "for": "3 of 5"}},
        quality={{"max_age": "10s", "min_coverage": 0.4, "full_coverage": 0.5}}, region_name="eu-west-1",
        poke_interval=2, timeout=90, deferrable=True,
    )
'''

LOADING_DAG = """
from datetime import datetime, timezone
from airflow.sdk import DAG, Asset, task

with DAG("load_orders", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

    @task(outlets=[Asset("live-orders")])
    def load():
        pass

    load()
"""
"""Somebody else's Dag: loads data that another policy's fleet will work on."""

HOOK_TOKEN = "the-token-of-the-live-webhook"
OTHER_TRIGGERS = {
    "hook": {"events": [{"kind": "json", "webhook": "hook"}]},
    "landed": {"assets": [{"name": "live-orders", "at_least": 6}]},
}
"""Policies that no queue wakes."""

BROKEN = """\
version: 1
name: broken
owner: tests
targets: {kind: aws.autoscaling_group, region: eu-west-1, names: [alarm]}
metrics:
  cpu: {source: aws.cloudwatch, namespace: AWS/EC2, name: CPUUtilization, statistic: Average, period: 7s, window: 30s}
scale: {strategy: threshold, signal: {metric: cpus}, out: {above: 70, for: 9 of 5, add: 2}}
limits: {min: 5, max: 2}
feedback: {after: 5, healthy: {cpu: {max: 90}}}
"""


def metric(name: str, namespace: str, statistic: str) -> dict[str, str]:
    """A metric's section of a policy, at the practice world's one-second rhythm."""
    return {
        "source": "aws.cloudwatch",
        "namespace": namespace,
        "name": name,
        "statistic": statistic,
        "period": "1s",
        "window": "12s",
        "settle": "2s",
    }


CPU = metric("CPUUtilization", "AWS/EC2", "Average")
LATENCY = metric("LatencyP95", "Storefront", "Maximum")


def policy(name: str, fleets: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    """The policy of one fleet (or of several), woken by alarms and plain messages of the common queue."""
    document: dict[str, Any] = {
        "version": 1,
        "name": name,
        "owner": "tests",
        "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": fleets or [name]},
        "triggers": {
            "events": [
                {"kind": "cloudwatch.alarm", "queue": "setpoint-events", "alarm": f"{name}-*"},
                {"kind": "json", "queue": "setpoint-events"},
            ]
        },
        "metrics": {"cpu": CPU, "latency": LATENCY},
        "quality": {
            "cpu": {"max_age": "10s", "min_coverage": 0.5, "full_coverage": 0.6, "between": [0, 100]},
            "latency": {"max_age": "10s", "min_coverage": 0.3, "full_coverage": 0.3},
        },
        "scale": {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "mean"},
            "out": {"above": 70, "for": "3 of 6", "add": 3},
            "in": {"below": 30, "for": "8 of 10", "remove": 1},
        },
        "limits": {"min": 2, "max": 20, "cooldown": {"out": "30s", "in": "30s"}},
        "feedback": {
            "after": "4s",
            "in_service_timeout": "30s",
            "healthy": {"latency": {"max": 250, "no_worse_than": "1.3x"}},
            "min_samples": 2,
        },
    }
    document.update(changes)
    return document


@dataclass
class Live:
    """The running system, and how a test looks at it."""

    stack: LocalStack
    api: StackClient
    lab: LabProcess
    ledger: Ledger
    queue_url: str
    storm_url: str
    policies: Path
    began: datetime

    def send(self, body: Any) -> None:
        """Put a message on the queue."""
        text = body if isinstance(body, str) else json.dumps(body)
        client("sqs", self.lab.url).send_message(QueueUrl=self.queue_url, MessageBody=text)

    def desired(self, fleet: str) -> int:
        """A group's desired capacity, as AWS reports it."""
        groups = client("autoscaling", self.lab.url).describe_auto_scaling_groups(AutoScalingGroupNames=[fleet])
        return int(groups["AutoScalingGroups"][0]["DesiredCapacity"])

    def capacity_calls(self, fleet: str) -> int:
        """How many calls changed a group's capacity."""
        return sum(one.action == "SetDesiredCapacity" and fleet in str(one.params) for one in self.lab.client.calls())

    def busy(self, fleet: str) -> None:
        """Let a fleet's CPU rise above 70 %, and wait until the last points say so."""
        self.lab.client.flash_sale(fleet, factor=2.2, ramp_seconds=0.5, hold_seconds=3600)
        self.until(lambda: self._above(fleet, 75.0, points=8), f"{fleet}'s CPU to be high")

    def _above(self, fleet: str, percent: float, points: int) -> bool:
        newest = self.lab.client.series(fleet)[-points * 2 :]
        return len(newest) >= points and all((one.cpu_percent or 0) > percent for one in newest)

    def until(self, condition: Callable[[], T], what: str, seconds: float = 90) -> T:
        """Ask until the answer is true, and return it; a component that died ends the wait at once."""
        deadline = time.monotonic() + seconds
        while True:
            if answer := condition():
                return answer
            self.stack.require_running()
            assert time.monotonic() < deadline, f"waited {seconds:g} s for {what} in vain"
            time.sleep(0.25)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The running system."""
    home, began = tmp_path_factory.mktemp("live"), datetime.now(UTC)
    policies, dags, data = home / "policies", home / "dags", home / "data"
    for folder in (policies, dags, data):
        folder.mkdir()
    for name in FLEETS:
        if not name.startswith(("mixed", "storm")):
            changes = {"triggers": OTHER_TRIGGERS[name]} if name in OTHER_TRIGGERS else {}
            (policies / f"{name}.yaml").write_text(yaml.safe_dump(policy(name, **changes)))
    (policies / "mixed.yaml").write_text(yaml.safe_dump(policy("mixed", ["mixed-a", "mixed-b"])))
    for name in STORM_POLICIES:
        triggers = {"events": [{"kind": "json", "queue": STORM_QUEUE}]}
        (policies / f"{name}.yaml").write_text(yaml.safe_dump(policy(name, ["storm"], triggers=triggers)))
    (policies / "broken.yaml").write_text(BROKEN)
    for file in (REPOSITORY / "dags").glob("*.py"):
        (dags / file.name).write_text(file.read_text())
    (home / "senders.yaml").write_text("version: 1\nsenders: {hook: {auth: bearer}}\n")
    (dags / "loads.py").write_text(LOADING_DAG)
    (dags / "theirs.py").write_text(THEIR_DAG.format(metric=CPU))
    fleets = tuple(
        FleetConfig(group=name, desired_capacity=3, max_size=16, boot_seconds=1.0, base_rps=150.0) for name in FLEETS
    )
    config = LabConfig(fleets=fleets, tick_seconds=0.5, publish_seconds=1.0)
    with LabProcess(config, log_path=home / "lab.log") as lab:
        there = provision(lab.url, fleets)
        storm_url = client("sqs", lab.url).create_queue(QueueName=STORM_QUEUE)["QueueUrl"]
        url = f"sqlite:///{data / 'ledger.db'}"
        settings = prepare_home(
            home / "airflow",
            dags_folder=dags,
            all_admins=True,
            connections={
                "aws_default": airflow_connection(lab.url),
                "setpoint_webhook_hook": json.dumps({"conn_type": "generic", "password": HOOK_TOKEN}),
            },
            variables={
                "SETPOINT_POLICIES": str(policies),
                "SETPOINT_DATA": str(data),
                "SETPOINT_LEDGER_URL": url,
            },
        )
        with Ledger.open(url) as ledger, LocalStack(settings) as stack, stack.client() as api:
            api.wait_for_dags([f"setpoint.{path.stem}" for path in policies.glob("*.yaml") if path.stem != "broken"])
            yield Live(stack, api, lab, ledger, there.queue_url, storm_url, policies, began)
