"""A practice AWS with its own process, an Airflow connection to it, and a task context small enough to read."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
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
