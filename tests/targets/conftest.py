"""An AWS inside the test process that behaves (the practice AWS's backends), on a clock that moves when told to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import moto.autoscaling.models as moto_autoscaling
import pytest
from moto import mock_aws
from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends

from setpoint.lab.aws import install
from setpoint.lab.aws.environment import Environment
from setpoint.lab.clock import ManualClock, at
from setpoint.lab.config import LabConfig
from setpoint.lab.faults import FaultKind, FaultRequest

REGION = "eu-west-1"
BOOT_SECONDS = 8.0
GONE_SECONDS = 2.0


@dataclass
class PracticeAws:
    """A boto3 client on the practice AWS, and the means to move its time and its groups."""

    client: Any
    clock: ManualClock
    environment: Environment

    def now(self) -> Any:
        return at(self.clock.now())

    def group(self, name: str, *, desired: int = 3, smallest: int = 2, largest: int = 12, **tags: str) -> None:
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName="any",
            MinSize=smallest,
            MaxSize=largest,
            DesiredCapacity=desired,
            AvailabilityZones=["eu-west-1a"],
            Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": False} for key, value in tags.items()],
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        install.autoscaling("123456789012", REGION).progress()

    def fail_launches(self) -> None:
        """From now on there is no capacity for a new instance."""
        self.environment.faults.add(FaultRequest(kind=FaultKind.LAUNCH_FAILURE), {})


@pytest.fixture
def aws() -> Iterator[PracticeAws]:
    """The practice AWS in this process, for one test; moto's own backends are put back afterwards."""
    before = (autoscaling_backends.backend, cloudwatch_backends.backend, moto_autoscaling.FakeAutoScalingGroup)
    clock = ManualClock()
    config = LabConfig(fleets=(), default_boot_seconds=BOOT_SECONDS, terminate_seconds=GONE_SECONDS)
    environment = Environment(config, clock)
    try:
        install.install(environment)
        with mock_aws():
            client = boto3.client(
                "autoscaling", region_name=REGION, aws_access_key_id="lab", aws_secret_access_key="lab"
            )
            client.create_launch_configuration(
                LaunchConfigurationName="any", ImageId="ami-0123456789abcdef0", InstanceType="m5.large"
            )
            yield PracticeAws(client, clock, environment)
    finally:
        install.reset()
        autoscaling_backends.backend, cloudwatch_backends.backend, moto_autoscaling.FakeAutoScalingGroup = before
