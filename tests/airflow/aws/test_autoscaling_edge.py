"""The Auto Scaling operator, sensor and trigger, run against the practice AWS."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from setpoint_airflow.operators.autoscaling import (
    AutoScalingSetDesiredCapacityOperator,
    CapacityOutOfBoundsError,
)
from setpoint_airflow.sensors.autoscaling import AutoScalingGroupCapacitySensor

Group = Callable[..., str]


def set_capacity(group: str, wanted: int | str, **arguments: Any) -> AutoScalingSetDesiredCapacityOperator:
    settings = {"aws_conn_id": "aws_lab", "waiter_delay": 0.1, "waiter_max_attempts": 100, **arguments}
    return AutoScalingSetDesiredCapacityOperator(
        task_id="set", auto_scaling_group_name=group, desired_capacity=wanted, **settings
    )


def sensor(group: str, capacity: int | str, **arguments: Any) -> AutoScalingGroupCapacitySensor:
    settings = {"aws_conn_id": "aws_lab", "poke_interval": 0.1, "timeout": 20, **arguments}
    return AutoScalingGroupCapacitySensor(task_id="wait", auto_scaling_group_name=group, capacity=capacity, **settings)


def run(operator: Any, context: Any) -> Any:
    """Execute as Airflow does: where the task defers, rebuild its trigger, wait for its event, and resume."""
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        path, arguments = deferred.trigger.serialize()
        module, _, name = path.rpartition(".")
        rebuilt = getattr(importlib.import_module(module), name)(**arguments)
        event = asyncio.run(first_event(rebuilt))
        return operator.resume_execution(deferred.method_name, {"event": event}, context)


async def first_event(trigger: Any) -> Any:
    async with asyncio.timeout(30):
        async for event in trigger.run():
            return event.payload
    raise AssertionError("the trigger ended without an event")


def in_service(autoscaling: Any, name: str) -> int:
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return sum(1 for one in group["Instances"] if one["LifecycleState"] == "InService")


@pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])
@pytest.mark.parametrize("wanted", [5, 1], ids=["out", "in"])
def test_operator_waits_until_the_capacity_is_there(
    group: Group, autoscaling: Any, connection: str, context: Any, deferrable: bool, wanted: int
) -> None:
    """Both paths end when the capacity is in service (or gone), and with the same value."""
    name = group(desired=3)
    run(sensor(name, 3), context)
    operator = set_capacity(name, wanted, wait_for_completion=True, deferrable=deferrable)
    assert run(operator, context) == {
        "auto_scaling_group_name": name,
        "previous_capacity": 3,
        "desired_capacity": wanted,
        "changed": True,
    }
    assert in_service(autoscaling, name) == wanted


def test_operator_takes_rendered_text_and_leaves_a_link(group: Group, connection: str, context: Any) -> None:
    """A rendered template is text; the console link holds the region and the group."""
    name = group()
    assert run(set_capacity(name, " 4 "), context)["desired_capacity"] == 4
    link = context["ti"].pushed["auto_scaling_group"]
    assert link == {"region_name": "eu-west-1", "aws_domain": "aws.amazon.com", "auto_scaling_group_name": name}


@pytest.mark.parametrize("wanted", [0, 7])
def test_operator_refuses_what_the_group_does_not_allow(
    group: Group, lab: Any, connection: str, context: Any, wanted: int
) -> None:
    """Out of the group's bounds nothing is called, and the message has the numbers."""
    name = group(smallest=1, largest=6)
    before = len(lab.client.calls())
    with pytest.raises(CapacityOutOfBoundsError, match=f"desired_capacity {wanted} is outside .* 1 to 6"):
        run(set_capacity(name, wanted), context)
    assert len(lab.client.calls()) == before


@pytest.mark.parametrize("wanted", ["many", "-1", "2.5", "", "{{ x }}", True, "²"])
def test_operator_refuses_what_is_no_capacity(connection: str, context: Any, wanted: Any) -> None:
    """A capacity that is no whole number is refused before AWS is asked."""
    with pytest.raises(ValueError, match="whole number from 0"):
        run(set_capacity("any", wanted), context)


def test_operator_does_not_repeat_itself(group: Group, lab: Any, connection: str, context: Any) -> None:
    """A retry finds the capacity set and calls nothing that changes."""
    name = group(desired=3)
    assert run(set_capacity(name, 4), context)["changed"] is True
    before = len(lab.client.calls())
    again = run(set_capacity(name, 4, wait_for_completion=True), context)
    assert (again["changed"], again["previous_capacity"]) == (False, 4)
    assert len(lab.client.calls()) == before


def test_operator_on_a_group_that_is_not_there(connection: str, context: Any) -> None:
    """The message names the group and the region."""
    with pytest.raises(LookupError, match="no Auto Scaling group named 'gone' in eu-west-1"):
        run(set_capacity("gone", 3), context)


@pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])
def test_operator_gives_up_after_its_attempts(
    group: Group, autoscaling: Any, connection: str, context: Any, deferrable: bool
) -> None:
    """Capacity that never comes fails the task on both paths."""
    name = group(desired=2)
    autoscaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch"])
    operator = set_capacity(name, 4, wait_for_completion=True, deferrable=deferrable, waiter_max_attempts=2)
    with pytest.raises(AirflowException, match="max attempts reached"):
        run(operator, context)


@pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])
def test_sensor_waits_for_capacity(
    group: Group, autoscaling: Any, connection: str, context: Any, deferrable: bool
) -> None:
    """The sensor ends when the instances serve, poked or deferred."""
    name = group(desired=2)
    assert run(sensor(name, "2", deferrable=deferrable), context) is None
    assert in_service(autoscaling, name) == 2


@pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])
def test_sensor_waits_for_capacity_to_go(
    group: Group, autoscaling: Any, connection: str, context: Any, deferrable: bool
) -> None:
    """With ``capacity_at_most`` the sensor ends when no more than that serves."""
    name = group(desired=3)
    run(sensor(name, 3), context)
    autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    run(sensor(name, 1, waiter_name="capacity_at_most", deferrable=deferrable), context)
    assert in_service(autoscaling, name) == 1


@pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])
@pytest.mark.parametrize(("soft_fail", "error"), [(False, AirflowFailException), (True, AirflowSkipException)])
def test_sensor_fails_when_the_group_goes_away(
    group: Group,
    autoscaling: Any,
    connection: str,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
    soft_fail: bool,
    error: type[Exception],
) -> None:
    """A group deleted while waiting ends the wait: failed, or skipped with soft_fail, the same on both paths."""
    name = group(desired=2)
    waiting = sensor(name, 6, deferrable=deferrable, soft_fail=soft_fail)
    looked = type(waiting).poke

    def poke_then_delete(self: Any, context: Any) -> bool:
        found = looked(self, context)
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        monkeypatch.setattr(type(waiting), "poke", looked)
        return found

    monkeypatch.setattr(type(waiting), "poke", poke_then_delete)
    with pytest.raises(error):
        run(waiting, context)


def test_direct_sensor_times_out(group: Group, connection: str, context: Any) -> None:
    """Capacity that does not come in time is a sensor timeout."""
    with pytest.raises(AirflowSensorTimeout):
        run(sensor(group(desired=1), 5, timeout=0.3), context)


def test_deferred_sensor_hands_its_timeout_to_airflow(group: Group, connection: str, context: Any) -> None:
    """Deferred, Airflow ends the wait at the sensor's timeout, and the trigger does not end it before."""
    waiting = sensor(group(desired=1), 5, timeout=60, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute(context)
    assert deferred.value.timeout.total_seconds() == 60
    arguments = deferred.value.trigger.serialize()[1]
    assert arguments["waiter_max_attempts"] * arguments["waiter_delay"] > 60
