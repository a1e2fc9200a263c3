"""A practice AWS in this process on a clock that stands still, and a real one in a process of its own."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto import mock_aws

from setpoint.lab.aws.environment import Environment
from setpoint.lab.aws.install import install, uninstall
from setpoint.lab.clock import ManualClock
from setpoint.lab.cloud import MotoCloud
from setpoint.lab.config import ACCESS_KEY, REGION, SECRET_KEY, FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import IMAGE_ID, client
from setpoint.lab.server import IMAGES_PATH
from setpoint.lab.world.world import World

SHOP = FleetConfig(group="shop", min_size=1, max_size=10, desired_capacity=2, boot_seconds=8.0, base_rps=100.0)
OFFICE = FleetConfig(group="office", min_size=1, max_size=4, desired_capacity=1, boot_seconds=8.0, base_rps=50.0)


@dataclass
class Practice:
    """The practice AWS in this process: clients that need no server, a clock that is moved by hand."""

    environment: Environment
    clock: ManualClock
    world: World
    autoscaling: Any
    cloudwatch: Any
    ec2: Any
    sns: Any
    sqs: Any

    def wait(self, seconds: float, step_seconds: float = 1.0) -> None:
        """Let simulated time pass, with a world tick at every step."""
        for _ in range(round(seconds / step_seconds)):
            self.clock.advance(step_seconds)
            self.world.tick()

    def create(self, name: str = "shop", *, minimum: int = 1, maximum: int = 10, desired: int = 2) -> None:
        """Create a group of m5.large in two zones."""
        self.ec2.create_launch_template(
            LaunchTemplateName=f"{name}-template",
            LaunchTemplateData={"ImageId": IMAGE_ID, "InstanceType": "m5.large"},
        )
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateName": f"{name}-template"},
            MinSize=minimum,
            MaxSize=maximum,
            DesiredCapacity=desired,
            DefaultCooldown=0,
            AvailabilityZones=["eu-west-1a", "eu-west-1b"],
        )

    def group(self, name: str = "shop") -> dict[str, Any]:
        """Return the description of a group."""
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        description: dict[str, Any] = found[0]
        return description

    def states(self, name: str = "shop") -> list[str]:
        """Return the lifecycle states of a group's instances, sorted."""
        return sorted(instance["LifecycleState"] for instance in self.group(name)["Instances"])

    def activities(self, name: str = "shop") -> list[dict[str, Any]]:
        """Return the first page of a group's activities."""
        page: list[dict[str, Any]] = self.autoscaling.describe_scaling_activities(AutoScalingGroupName=name)[
            "Activities"
        ]
        return page


@pytest.fixture(scope="session")
def mocked_clients() -> dict[str, Any]:
    """Clients whose calls moto answers in this process while `mock_aws` is active."""
    import boto3

    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION)
    services: tuple[Any, ...] = ("autoscaling", "cloudwatch", "ec2", "sns", "sqs")
    return {service: session.client(service) for service in services}


@pytest.fixture
def practice(monkeypatch: pytest.MonkeyPatch, mocked_clients: dict[str, Any]) -> Iterator[Practice]:
    """The practice AWS in this process, with two fleets configured and no group created."""
    monkeypatch.setenv("MOTO_AMIS_PATH", str(IMAGES_PATH))
    monkeypatch.setattr("moto.ec2.models.amis.AMIS", json.loads(IMAGES_PATH.read_text()))
    clock = ManualClock()
    environment = Environment(LabConfig(fleets=(SHOP, OFFICE), noise_ratio=0.0, day_amplitude_ratio=0.0), clock)
    install(environment)
    try:
        with mock_aws():
            yield Practice(
                environment=environment,
                clock=clock,
                world=World(environment, MotoCloud()),
                **mocked_clients,
            )
    finally:
        uninstall()


@pytest.fixture(scope="session")
def lab() -> Iterator[LabProcess]:
    """A real practice AWS, provisioned with two fast fleets."""
    fleets = (
        SHOP.model_copy(update={"boot_seconds": 0.5, "tags": {"tier": "web", "setpoint:policy": "shop"}}),
        OFFICE.model_copy(update={"boot_seconds": 0.5}),
    )
    config = LabConfig(
        fleets=fleets, tick_seconds=0.1, publish_seconds=1.0, terminate_seconds=0.2, launch_retry_seconds=0.5
    )
    with LabProcess(config, provision=True) as process:
        yield process


@pytest.fixture
def calm_lab(lab: LabProcess) -> Iterator[LabProcess]:
    """The real practice AWS, with ordinary traffic and no faults before and after the test."""
    yield lab
    lab.client.remove_faults()
    lab.client.ordinary()


@pytest.fixture(scope="session")
def aws(lab: LabProcess) -> Callable[[str], Any]:
    """Returns boto3 clients of the real practice AWS by service name."""
    return lambda service: client(service, lab.url)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Returns a function that calls another until its result is true, and returns that result."""

    def wait(probe: Callable[[], Any], deadline_seconds: float = 20.0) -> Any:
        end = time.monotonic() + deadline_seconds
        while not (result := probe()):
            if time.monotonic() > end:
                pytest.fail(f"{getattr(probe, '__doc__', None) or probe} did not hold within {deadline_seconds} s")
            time.sleep(0.05)
        return result

    return wait
