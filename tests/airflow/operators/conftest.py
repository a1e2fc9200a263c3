"""The operators of a policy's run as Airflow calls them, on a practice AWS, a real policy file and a real ledger."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from setpoint.lab.config import FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client, provision
from setpoint.ledger import Ledger
from setpoint.model import Decision, Plan, PlannedChange
from setpoint.planning.plan import make_plan
from setpoint.policy.loader import policy_named
from setpoint.testing.values import a_decision

RUN = "manual__2026-03-01"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def lab() -> Iterator[LabProcess]:
    """A practice AWS in which an instance boots in half a second."""
    config = LabConfig(
        fleets=(FleetConfig(group="unused", desired_capacity=2),), default_boot_seconds=0.5, tick_seconds=0.1
    )
    with LabProcess(config) as running:
        yield running


@dataclass
class Fleet:
    """Two groups of three instances, and their policy."""

    name: str
    lab: LabProcess
    policies: Path
    ledger: Ledger
    groups: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = (f"{self.name}-a", f"{self.name}-b")
        self.autoscaling = client("autoscaling", self.lab.url)

    @property
    def run_id(self) -> str:
        """The ledger's id of the run."""
        return f"{self.name}/{RUN}"

    def context(self, try_number: int = 1, states: dict[str, str] | None = None) -> dict[str, Any]:
        """The part of a task's context that the operators touch; a task has three tries."""
        ti = SimpleNamespace(
            try_number=try_number,
            max_tries=2,
            dag_id=f"setpoint.{self.name}",
            get_task_states=lambda dag_id, run_ids: {RUN: states or {}},
        )
        return {"run_id": RUN, "ti": ti}

    def policy(self, **sections: Any) -> None:
        """Write the policy's file."""
        metric = {
            "source": "aws.cloudwatch",
            "namespace": "Test",
            "name": "cpu",
            "statistic": "Average",
            "period": "1s",
            "window": "20s",
        }
        document = {
            "version": 1,
            "name": self.name,
            "owner": "tests",
            "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": list(self.groups)},
            "metrics": {"cpu": metric},
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "cpu", "aggregate": "mean"},
                "out": {"above": 70, "for": "5 of 10", "add": 2},
                "in": {"below": 30, "for": "10 of 12", "remove": 1},
            },
            "limits": {"min": 1, "max": 8},
            "feedback": {"after": "5s", "healthy": {"cpu": {"max": 90}}, "min_samples": 2},
        }
        (self.policies / f"{self.name}.yaml").write_text(yaml.safe_dump({**document, **sections}))

    def decide(self, *decided: tuple[str, int, int], dry_run: bool = False) -> tuple[PlannedChange, ...]:
        """Record a run's decisions and its plan, as the run would have."""
        now = datetime.now(UTC)
        fields = {"run_id": self.run_id, "policy": self.name, "dry_run": dry_run, "decided_at": now}
        decisions: list[Decision] = [a_decision(*one, **fields) for one in decided]
        policy = policy_named(self.name, self.policies).policy
        plan: Plan = make_plan(policy, self.run_id, decisions, now, timedelta(minutes=10))
        self.ledger.start_run(self.run_id, self.name, now, "manual", dry_run, [])
        self.ledger.record_decisions(self.run_id, decisions, plan)
        return plan.changes

    def desired(self, group: str) -> int:
        """The desired capacity AWS reports."""
        answer = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        return int(answer["AutoScalingGroups"][0]["DesiredCapacity"])


@pytest.fixture
def fleet(lab: LabProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A fleet of this test's own, with its policy and an empty ledger."""
    extra = {"region_name": "eu-west-1", "endpoint_url": lab.url}
    connection = {"conn_type": "aws", "login": "lab", "password": "lab", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("SETPOINT_POLICIES", str(tmp_path))
    monkeypatch.setenv("SETPOINT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SETPOINT_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        made = Fleet(f"fleet-{os.getpid()}-{next(_NUMBERS)}", lab, tmp_path, ledger)
        provision(lab.url, [FleetConfig(group=one, min_size=1, max_size=8, desired_capacity=3) for one in made.groups])
        made.policy()
        yield made
        lab.client.remove_faults()


@pytest.fixture
def nothing_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a client that could change something fails the test."""

    def built(policy: Any) -> Any:
        raise AssertionError(f"something that can change the targets of {policy.name} was built")

    monkeypatch.setattr("setpoint_airflow.runtime.target_for", built)
