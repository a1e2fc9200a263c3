"""Instances come, serve and go; activities tell about it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from setpoint.lab.faults import FaultKind, FaultRequest


def _set(practice: Any, desired: int) -> None:
    practice.autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=desired)


def test_a_new_instance_is_pending_until_it_has_booted(practice: Any) -> None:
    """An instance is Pending for the boot time, and InService from then on."""
    practice.create()
    practice.clock.advance(7.9)
    assert practice.states() == ["Pending", "Pending"]
    practice.clock.advance(0.2)
    assert practice.states() == ["InService", "InService"]
    assert {one["StatusCode"] for one in practice.activities()} == {"Successful"}


def test_scaling_in_terminates_the_oldest_and_takes_time(practice: Any) -> None:
    """A scale-in marks the oldest instance Terminating, and then it is gone, from EC2 too."""
    practice.create()
    practice.wait(9)
    oldest = practice.group()["Instances"][0]["InstanceId"]
    _set(practice, 1)
    by_id = {one["InstanceId"]: one["LifecycleState"] for one in practice.group()["Instances"]}
    assert by_id.pop(oldest) == "Terminating"
    assert list(by_id.values()) == ["InService"]
    practice.wait(3)
    assert practice.states() == ["InService"]
    reservation = practice.ec2.describe_instances(InstanceIds=[oldest])["Reservations"][0]
    assert reservation["Instances"][0]["State"]["Name"] == "terminated"


def test_an_instance_protected_from_scale_in_stays(practice: Any) -> None:
    """Scale-in passes over a protected instance."""
    practice.create()
    practice.wait(9)
    oldest = practice.group()["Instances"][0]["InstanceId"]
    practice.autoscaling.set_instance_protection(
        AutoScalingGroupName="shop", InstanceIds=[oldest], ProtectedFromScaleIn=True
    )
    _set(practice, 1)
    practice.wait(3)
    assert [one["InstanceId"] for one in practice.group()["Instances"]] == [oldest]


def test_scaling_in_while_an_instance_boots_cancels_its_launch(practice: Any) -> None:
    """A launch that is overtaken by a scale-in ends as Cancelled, never as Successful."""
    practice.create()
    _set(practice, 1)
    practice.wait(12)
    codes = [one["StatusCode"] for one in practice.activities()]
    assert practice.states() == ["InService"]
    assert sorted(codes) == ["Cancelled", "Successful", "Successful"]


@pytest.mark.parametrize(("process", "wanted"), [("Launch", 5), ("Terminate", 1)])
def test_a_suspended_process_takes_the_wish_and_does_nothing(practice: Any, process: str, wanted: int) -> None:
    """With Launch or Terminate suspended the desired capacity changes and no instance comes or goes until resumed."""
    practice.create()
    practice.wait(9)
    practice.autoscaling.suspend_processes(AutoScalingGroupName="shop", ScalingProcesses=[process])
    _set(practice, wanted)
    practice.wait(20)
    group = practice.group()
    assert group["DesiredCapacity"] == wanted
    assert len(group["Instances"]) == 2
    assert group["SuspendedProcesses"][0]["ProcessName"] == process
    assert group["SuspendedProcesses"][0]["SuspensionReason"].startswith("User suspended at ")
    practice.autoscaling.resume_processes(AutoScalingGroupName="shop", ScalingProcesses=[process])
    practice.wait(20)
    assert practice.states() == ["InService"] * wanted


def test_an_unhealthy_instance_is_replaced(practice: Any) -> None:
    """An instance that a health check calls Unhealthy is terminated, and another takes its place."""
    practice.create()
    practice.wait(9)
    sick = practice.group()["Instances"][0]["InstanceId"]
    practice.autoscaling.set_instance_health(InstanceId=sick, HealthStatus="Unhealthy")
    described = {one["InstanceId"]: one for one in practice.group()["Instances"]}
    assert described[sick]["HealthStatus"] == "Unhealthy"
    practice.wait(12)
    assert sick not in [one["InstanceId"] for one in practice.group()["Instances"]]
    assert practice.states() == ["InService", "InService"]


def test_an_instance_terminated_in_its_group_is_replaced_or_not(practice: Any) -> None:
    """TerminateInstanceInAutoScalingGroup replaces unless the capacity is decremented, and not below the minimum."""
    practice.create()
    practice.wait(9)
    first, second = (one["InstanceId"] for one in practice.group()["Instances"])
    practice.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=True)
    assert practice.group()["DesiredCapacity"] == 1
    with pytest.raises(ClientError, match="desiredSize equals minSize"):
        practice.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=second, ShouldDecrementDesiredCapacity=True
        )
    practice.autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=second, ShouldDecrementDesiredCapacity=False
    )
    practice.wait(12)
    instances = practice.group()["Instances"]
    assert [one["LifecycleState"] for one in instances] == ["InService"]
    assert instances[0]["InstanceId"] not in (first, second)


def test_activities_tell_what_happened_and_why(practice: Any) -> None:
    """An activity carries cause, times, progress and zone, and the newest in progress comes first."""
    practice.create()
    practice.wait(9)
    _set(practice, 3)
    running, *done = practice.activities()
    assert running["StatusCode"] == "InProgress"
    assert "EndTime" not in running
    assert "changing the desired capacity from 2 to 3" in running["Cause"]
    assert "increasing the capacity from 2 to 3." in running["Cause"]
    assert running["Description"].startswith("Launching a new EC2 instance: i-")
    assert '"Availability Zone":"eu-west-1' in running["Details"]
    practice.wait(9)
    finished = practice.activities()[0]
    assert finished["ActivityId"] == running["ActivityId"]
    assert (finished["StatusCode"], finished["Progress"]) == ("Successful", 100)
    assert (finished["EndTime"] - finished["StartTime"]).total_seconds() == pytest.approx(8.0, abs=1.5)
    assert len(done) == 2


def test_activities_come_in_pages(practice: Any) -> None:
    """Pages hold MaxRecords activities, follow each other by token, and a made-up token is refused."""
    practice.create(desired=5)
    pages = practice.autoscaling.get_paginator("describe_scaling_activities").paginate(
        AutoScalingGroupName="shop", PaginationConfig={"PageSize": 2}
    )
    sizes = [len(page["Activities"]) for page in pages]
    assert sizes == [2, 2, 1]
    with pytest.raises(ClientError) as error:
        practice.autoscaling.describe_scaling_activities(AutoScalingGroupName="shop", NextToken="made-up")
    assert error.value.response["Error"]["Code"] == "InvalidNextToken"


def test_a_launch_fails_for_lack_of_capacity_and_is_tried_again(practice: Any) -> None:
    """While capacity lacks, activities are Failed with EC2's words and no instance comes; afterwards it comes."""
    practice.create()
    practice.wait(9)
    practice.world.add_fault(FaultRequest(kind=FaultKind.LAUNCH_FAILURE, fleet="shop", duration_seconds=15))
    _set(practice, 3)
    failed = practice.activities()[0]
    assert failed["StatusCode"] == "Failed"
    assert failed["StatusMessage"].startswith("We currently do not have sufficient m5.large capacity in the Avail")
    assert "eu-west-1a" in failed["StatusMessage"]
    assert "EndTime" in failed
    practice.wait(12)
    assert practice.states() == ["InService", "InService"]
    assert [one["StatusCode"] for one in practice.activities()[:2]] == ["Failed", "Failed"]
    practice.wait(20)
    assert practice.states() == ["InService"] * 3


def test_a_launch_failure_of_one_fleet_leaves_the_other_alone(practice: Any) -> None:
    """A fault for one fleet does not touch another."""
    practice.world.add_fault(FaultRequest(kind=FaultKind.LAUNCH_FAILURE, fleet="office"))
    practice.create("shop")
    practice.create("office", desired=1)
    practice.wait(9)
    assert practice.states("shop") == ["InService", "InService"]
    assert practice.states("office") == []


def test_a_refresh_replaces_every_instance(practice: Any) -> None:
    """A refresh goes from Pending over InProgress to Successful, and every instance is another one."""
    practice.create()
    practice.wait(9)
    before = {one["InstanceId"] for one in practice.group()["Instances"]}
    refresh_id = practice.autoscaling.start_instance_refresh(AutoScalingGroupName="shop")["InstanceRefreshId"]

    def refresh() -> dict[str, Any]:
        found = practice.autoscaling.describe_instance_refreshes(
            AutoScalingGroupName="shop", InstanceRefreshIds=[refresh_id]
        )
        record: dict[str, Any] = found["InstanceRefreshes"][0]
        return record

    assert refresh()["Status"] in ("Pending", "InProgress")
    with pytest.raises(ClientError) as error:
        practice.autoscaling.start_instance_refresh(AutoScalingGroupName="shop")
    assert error.value.response["Error"]["Code"] == "InstanceRefreshInProgress"
    practice.wait(6)
    assert (refresh()["Status"], refresh()["InstancesToUpdate"]) == ("InProgress", 1)
    assert refresh()["PercentageComplete"] == 50
    practice.wait(15)
    assert refresh()["Status"] == "Successful"
    assert refresh()["PercentageComplete"] == 100
    assert before.isdisjoint({one["InstanceId"] for one in practice.group()["Instances"]})


def test_a_refresh_can_be_cancelled_once(practice: Any) -> None:
    """A cancelled refresh stays Cancelled, and there is nothing left to cancel."""
    practice.create()
    practice.autoscaling.start_instance_refresh(AutoScalingGroupName="shop")
    practice.autoscaling.cancel_instance_refresh(AutoScalingGroupName="shop")
    found = practice.autoscaling.describe_instance_refreshes(AutoScalingGroupName="shop")["InstanceRefreshes"]
    assert [one["Status"] for one in found] == ["Cancelled"]
    with pytest.raises(ClientError) as error:
        practice.autoscaling.cancel_instance_refresh(AutoScalingGroupName="shop")
    assert error.value.response["Error"]["Code"] == "ActiveInstanceRefreshNotFound"


def test_an_instance_terminated_through_ec2_is_replaced(practice: Any) -> None:
    """An instance that somebody terminates behind the group's back is replaced by a booting one."""
    practice.create()
    practice.wait(9)
    lost = practice.group()["Instances"][0]["InstanceId"]
    practice.ec2.terminate_instances(InstanceIds=[lost])
    assert practice.states() == ["InService", "Pending"]
    practice.wait(9)
    assert practice.states() == ["InService", "InService"]
    assert lost not in [one["InstanceId"] for one in practice.group()["Instances"]]


def test_standby_and_detached_instances_do_not_count(practice: Any) -> None:
    """An instance in standby or detached no longer counts; without a decrement another takes its place."""
    practice.create()
    practice.wait(9)
    first, second = (one["InstanceId"] for one in practice.group()["Instances"])
    practice.autoscaling.enter_standby(
        AutoScalingGroupName="shop", InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    practice.autoscaling.detach_instances(
        AutoScalingGroupName="shop", InstanceIds=[second], ShouldDecrementDesiredCapacity=False
    )
    practice.wait(12)
    assert practice.states() == ["InService", "Standby"]
    practice.autoscaling.exit_standby(AutoScalingGroupName="shop", InstanceIds=[first])
    assert practice.group()["DesiredCapacity"] == 2
    assert practice.states() == ["InService", "InService"]
