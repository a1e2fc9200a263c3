"""The API's own misbehaviour, as boto3 meets it: no answer, a late one, a lost one, a wrong one; and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from setpoint.lab.client import LabError
from setpoint.lab.faults import FaultKind
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client


@pytest.fixture
def autoscaling(calm_lab: LabProcess) -> Iterator[Any]:
    """A client that waits one second and tries once, of a group that wants two."""
    import boto3

    settings = Config(connect_timeout=5, read_timeout=1, retries={"total_max_attempts": 1, "mode": "standard"})
    patient = client("autoscaling", calm_lab.url)
    patient.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=2)
    yield boto3.client(
        "autoscaling",
        endpoint_url=calm_lab.url,
        region_name="eu-west-1",
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
        config=settings,
    )
    calm_lab.client.remove_faults()
    patient.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=2)


def desired(autoscaling: Any) -> int:
    """What AWS says the group wants."""
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["shop"])["AutoScalingGroups"]
    return int(group["DesiredCapacity"])


def effective(lab: LabProcess, since: int) -> int:
    """How many calls after that number changed the group's capacity."""
    return sum(call.effective for call in lab.client.calls(since=since) if call.group == "shop")


def last_call(lab: LabProcess) -> int:
    """The number of the newest call on record."""
    return lab.client.calls()[-1].number


def test_a_call_that_is_cut_off_changes_nothing(calm_lab: LabProcess, autoscaling: Any) -> None:
    """The connection closes without an answer, nothing was carried out, and the record says that it was not."""
    before = last_call(calm_lab)
    calm_lab.client.fault(FaultKind.CUT_OFF, "shop", times=1)

    with pytest.raises(ConnectionClosedError):
        autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)

    assert desired(autoscaling) == 2
    (call,) = calm_lab.client.calls(since=before)
    assert (call.status, call.effective) == (503, False)


def test_a_lost_answer_took_effect(calm_lab: LabProcess, autoscaling: Any) -> None:
    """The caller's time runs out, and yet the capacity has changed: once, also when the caller tries again."""
    before = last_call(calm_lab)
    calm_lab.client.fault(FaultKind.LOST_ANSWER, "shop", actions=("SetDesiredCapacity",), times=1, delay_seconds=5)

    with pytest.raises(ReadTimeoutError):
        autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)

    assert desired(autoscaling) == 3
    autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)
    assert effective(calm_lab, before) == 1


def test_a_slow_answer_comes(calm_lab: LabProcess, autoscaling: Any) -> None:
    """A call within the caller's patience takes as long as was asked for, and is answered; others are not held up."""
    calm_lab.client.fault(FaultKind.SLOW, "shop", delay_seconds=0.5, times=1)
    began = time.monotonic()

    assert desired(autoscaling) == 2

    assert time.monotonic() - began >= 0.5


def test_a_slow_call_takes_effect_late(calm_lab: LabProcess, autoscaling: Any, eventually: Callable[..., Any]) -> None:
    """A caller that gives up on a slow call has not stopped it."""
    calm_lab.client.fault(FaultKind.SLOW, "shop", actions=("SetDesiredCapacity",), delay_seconds=2, times=1)

    with pytest.raises(ReadTimeoutError):
        autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)

    assert desired(autoscaling) == 2
    eventually(lambda: desired(autoscaling) == 3)


def test_a_wrong_capacity_is_told_once(calm_lab: LabProcess, autoscaling: Any) -> None:
    """One describe is off by what was asked for, the next is right, and nothing has changed in between."""
    before = last_call(calm_lab)
    calm_lab.client.fault(FaultKind.WRONG_CAPACITY, "shop", wrong_units=3, times=1)

    assert [desired(autoscaling), desired(autoscaling)] == [5, 2]
    assert calm_lab.client.fleet("shop").capacity.desired == 2
    assert effective(calm_lab, before) == 0


def test_a_fault_of_one_action_leaves_the_others_alone(calm_lab: LabProcess, autoscaling: Any) -> None:
    """Reading works while changing is refused; after the last of its times the fault is over."""
    calm_lab.client.fault(FaultKind.API_DOWN, "shop", actions=("SetDesiredCapacity",), times=2)

    for _ in range(2):
        assert desired(autoscaling) == 2
        assert [one.kind for one in calm_lab.client.state().faults] == [FaultKind.API_DOWN]
        with pytest.raises(ClientError, match="InternalFailure"):
            autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)

    assert calm_lab.client.state().faults == ()
    autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)
    assert desired(autoscaling) == 3


def test_only_faults_of_calls_are_counted(calm_lab: LabProcess) -> None:
    """A metric outage has no calls to count, and asking for some is refused with what to use."""
    with pytest.raises((LabError, ValueError), match="use duration_seconds"):
        calm_lab.client.fault(FaultKind.METRIC_OUTAGE, "shop", times=3)


def test_the_command_names_every_fault() -> None:
    """Whoever asks `setpoint lab --help` what can go wrong is told all of it."""
    from setpoint.cli.lab import lab

    assert [kind for kind in FaultKind if kind not in str(lab.__doc__)] == []
