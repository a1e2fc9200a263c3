"""``dag.test()`` on the real Dags, against the practice AWS.

Each worker of the test run has one Airflow database, one lab and one ledger; each test has a fleet of its own in it.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from setpoint.lab.config import FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client, provision
from setpoint.ledger import Ledger
from setpoint.settings import load_settings

_NUMBER = itertools.count(1)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """An Airflow metadata database, and the in-process API server kept from one ``dag.test()`` to the next."""
    from airflow.sdk.execution_time import supervisor
    from airflow.utils.db import initdb

    initdb()
    build = supervisor.in_process_api_server
    kept: list[Any] = []

    def once() -> Any:
        if not kept:
            kept.append(build())
        return kept[0]

    supervisor.in_process_api_server = once  # type: ignore[assignment]


@pytest.fixture(scope="session")
def lab() -> Iterator[LabProcess]:
    """The practice AWS, without any fleet."""
    # Quick rhythms: half a minute of a policy's window passes in seconds of published history, see ``Fleet.publish``.
    config = LabConfig(fleets=(FleetConfig(group="unused", desired_capacity=2),), default_boot_seconds=0.2)
    with LabProcess(config) as running:
        yield running


@dataclass
class Fleet:
    """One Auto Scaling group of the practice AWS, with a policy, and metrics that the test decides."""

    name: str
    lab: LabProcess
    policies: Path
    ledger: Ledger
    cpu: float = 50.0
    latency: float = 100.0
    gap_every: int = 0
    """Every so manyth second has no point of ``cpu``; 0 for none missing."""

    def __post_init__(self) -> None:
        self.autoscaling = client("autoscaling", self.lab.url)
        self.cloudwatch = client("cloudwatch", self.lab.url)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def publish(self, metric: str, values: list[float | None], *, until: datetime | None = None) -> None:
        """Publish one value a second, the last one now; ``None`` leaves a gap."""
        end = until or datetime.now(UTC)
        data = [
            {
                "MetricName": metric,
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": self.name}],
                "Timestamp": end - timedelta(seconds=len(values) - 1 - index),
                "Value": value,
                "StorageResolution": 1,
            }
            for index, value in enumerate(values)
            if value is not None
        ]
        if data:
            self.cloudwatch.put_metric_data(Namespace="Test", MetricData=data)

    def live(self, reaction: Callable[[Fleet], None] | None = None, history_seconds: int = 40) -> None:
        """Publish ``cpu`` and ``latency`` every second from now on, as if it had always been so.

        :param reaction: called before each publication; changes the values, say because capacity arrived.
        """
        published = self._publish_until(datetime.now(UTC), history_seconds)

        def publish() -> None:
            nonlocal published
            while not self._stop.wait(0.5):
                if reaction is not None:
                    reaction(self)
                now = datetime.now(UTC)
                # Every second gets its point, also when this thread had to wait for a busy machine.
                if missed := int((now - published).total_seconds()):
                    published = self._publish_until(published + timedelta(seconds=missed), missed)

        self._thread = threading.Thread(target=publish, daemon=True)
        self._thread.start()

    def _publish_until(self, end: datetime, seconds: int) -> datetime:
        first, gap = int(end.timestamp()) - seconds + 1, self.gap_every
        cpu = [None if gap and (first + index) % gap == 0 else self.cpu for index in range(seconds)]
        self.publish("cpu", cpu, until=end)
        self.publish("latency", [self.latency] * seconds, until=end)
        return end

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    @property
    def desired(self) -> int:
        """The desired capacity AWS reports."""
        groups = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        return int(groups["AutoScalingGroups"][0]["DesiredCapacity"])

    @property
    def capacity_calls(self) -> list[Any]:
        """The calls that changed this group's capacity."""
        calls = self.lab.client.calls()
        return [one for one in calls if one.action == "SetDesiredCapacity" and self.name in str(one.params)]

    def policy(self, **changes: Any) -> None:
        """Write the policy's file: the usual one, with some sections replaced."""
        document: dict[str, Any] = {
            "version": 1,
            "name": self.name,
            "owner": "tests",
            "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [self.name]},
            "metrics": {
                metric: {
                    "source": "aws.cloudwatch",
                    "namespace": "Test",
                    "name": metric,
                    "statistic": "Average",
                    "period": "1s",
                    "window": "20s",
                    "settle": "2s",
                }
                for metric in ("cpu", "latency")
            },
            "quality": {
                "cpu": {"max_age": "10s", "min_coverage": 0.6, "full_coverage": 0.7, "between": [0, 100]},
                "latency": {"max_age": "10s", "min_coverage": 0.3, "full_coverage": 0.3},
            },
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "cpu", "aggregate": "mean"},
                "out": {"above": 70, "for": "5 of 10", "add": 2},
                "in": {"below": 30, "for": "10 of 12", "remove": 1},
            },
            "limits": {"min": 1, "max": 6, "cooldown": {"out": "1m", "in": "1m"}},
            "feedback": {
                "after": "5s",
                "in_service_timeout": "20s",
                "healthy": {"latency": {"max": 250, "no_worse_than": "1.2x"}},
                "min_samples": 2,
            },
        }
        document.update(changes)
        (self.policies / f"{self.name}.yaml").write_text(yaml.safe_dump(document))

    def run(self, **conf: Any) -> str:
        """Run the policy's Dag once, the way a person triggers it, and return the ledger's id of the run."""
        dag = load_dag("setpoint_policies.py", f"setpoint.{self.name}")
        with patch.dict(os.environ):  # what Airflow's task runner tells a task, AIRFLOW_CTX_*, it leaves there
            result = dag.test(run_conf=conf or None)
        self.task_states = {(ti.task_id, ti.map_index): str(ti.state) for ti in result.get_task_instances()}
        self.state = str(result.state)
        return f"{self.name}/{result.run_id}"


def load_dag(file: str, dag_id: str) -> Any:
    """One Dag of a Dag file, parsed as Airflow parses it."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(Path(__file__).parents[2] / "dags" / file))
    assert not bag.import_errors, bag.import_errors
    return bag.dags[dag_id]


@pytest.fixture(scope="session")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of policies that the Dags of these tests are made from."""
    return tmp_path_factory.mktemp("policies")


@pytest.fixture
def fleet(airflow_database: None, lab: LabProcess, policies: Path) -> Iterator[Fleet]:
    """A fresh group with 3 instances in service (of 1 to 8), its policy, and the ledger."""
    with fresh_fleet(lab, policies) as made:
        yield made


@pytest.fixture(scope="module")
def fleet_of_many(airflow_database: None, lab: LabProcess, policies: Path) -> Iterator[Fleet]:
    """The same, for all tests of a file."""
    with fresh_fleet(lab, policies) as made:
        yield made


@contextmanager
def fresh_fleet(lab: LabProcess, policies: Path) -> Iterator[Fleet]:
    """A group that no other test has."""
    name = f"fleet-{os.getpid()}-{next(_NUMBER)}"
    provision(lab.url, [FleetConfig(group=name, min_size=1, max_size=8, desired_capacity=3, boot_seconds=0.2)])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_to(lab))
        environment.setenv("SETPOINT_POLICIES", str(policies))
        yield from _fleet_and_ledger(name, lab, policies)


def connection_to(lab: LabProcess) -> str:
    """What an Airflow connection to the practice AWS is made of."""
    extra = {"region_name": "eu-west-1", "endpoint_url": lab.url}
    return json.dumps({"conn_type": "aws", "login": "lab", "password": "lab", "extra": extra})


def _fleet_and_ledger(name: str, lab: LabProcess, policies: Path) -> Iterator[Fleet]:
    settings = load_settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    with Ledger.open(settings.ledger_url) as ledger:
        made = Fleet(name, lab, policies, ledger)
        made.policy()
        yield made
        made.close()
        (policies / f"{name}.yaml").unlink()


@pytest.fixture
def woken_by_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    """``dag.test()`` makes runs as if the scheduler had started them for an asset."""
    from airflow.models import dagrun
    from airflow.utils.types import DagRunType

    make = dagrun.get_or_create_dagrun

    def as_asset_run(**arguments: Any) -> Any:
        run = make(**arguments)
        run.run_type = DagRunType.ASSET_TRIGGERED
        arguments["session"].flush()
        return run

    monkeypatch.setattr(dagrun, "get_or_create_dagrun", as_asset_run)
