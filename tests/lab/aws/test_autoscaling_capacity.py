"""SetDesiredCapacity and UpdateAutoScalingGroup as AWS documents them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError


def _refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (50, "New SetDesiredCapacity value 50 is above max value 10 for the AutoScalingGroup."),
        (0, "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup."),
    ],
)
def test_a_capacity_outside_the_bounds_is_refused(practice: Any, wanted: int, message: str) -> None:
    """SetDesiredCapacity outside min and max is a ValidationError with AWS's words, and changes nothing."""
    practice.create()
    with pytest.raises(ClientError) as error:
        practice.autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=wanted)
    assert _refusal(error) == ("ValidationError", message)
    assert practice.group()["DesiredCapacity"] == 2


def test_an_unknown_group_is_refused(practice: Any) -> None:
    """Every call that names a group that is not there answers ValidationError, never a server error."""
    calls = [
        lambda: practice.autoscaling.set_desired_capacity(AutoScalingGroupName="ghost", DesiredCapacity=1),
        lambda: practice.autoscaling.update_auto_scaling_group(AutoScalingGroupName="ghost", MaxSize=3),
        lambda: practice.autoscaling.suspend_processes(AutoScalingGroupName="ghost"),
        lambda: practice.autoscaling.start_instance_refresh(AutoScalingGroupName="ghost"),
        lambda: practice.autoscaling.describe_scaling_activities(AutoScalingGroupName="ghost"),
        lambda: practice.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="ghost"),
    ]
    for call in calls:
        with pytest.raises(ClientError, match="AutoScalingGroup name not found") as error:
            call()
        assert error.value.response["Error"]["Code"] == "ValidationError"


def test_the_cooldown_is_honoured_only_when_asked(practice: Any) -> None:
    """HonorCooldown answers ScalingActivityInProgress while a launch runs and until the cooldown is over."""
    practice.create()
    practice.autoscaling.update_auto_scaling_group(AutoScalingGroupName="shop", DefaultCooldown=60)
    wanted = {"AutoScalingGroupName": "shop", "DesiredCapacity": 3}
    with pytest.raises(ClientError, match="is in progress and blocks this action") as error:
        practice.autoscaling.set_desired_capacity(**wanted, HonorCooldown=True)
    assert error.value.response["Error"]["Code"] == "ScalingActivityInProgress"
    practice.wait(10)  # booted, but the cooldown runs
    with pytest.raises(ClientError, match="blocks this action"):
        practice.autoscaling.set_desired_capacity(**wanted, HonorCooldown=True)
    practice.wait(60)
    practice.autoscaling.set_desired_capacity(**wanted, HonorCooldown=True)
    practice.autoscaling.set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=4)  # not asked to wait
    assert practice.group()["DesiredCapacity"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MinSize": 5, "MaxSize": 3}, "Max bound, 3, must be greater than or equal to min bound, 5."),
        (
            {"DesiredCapacity": 11},
            "Desired capacity:11 must be between the specified min size:1 and max size:10",
        ),
        ({"MinSize": 11}, "Max bound, 10, must be greater than or equal to min bound, 11."),
    ],
)
def test_an_update_that_contradicts_itself_is_refused(practice: Any, change: dict[str, int], message: str) -> None:
    """UpdateAutoScalingGroup checks the sizes that would result, and changes nothing when they do not fit."""
    practice.create()
    with pytest.raises(ClientError) as error:
        practice.autoscaling.update_auto_scaling_group(AutoScalingGroupName="shop", **change)
    assert _refusal(error) == ("ValidationError", message)
    group = practice.group()
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (1, 2, 10)


@pytest.mark.parametrize(("change", "desired"), [({"MinSize": 4}, 4), ({"MaxSize": 1}, 1), ({"MaxSize": 8}, 2)])
def test_a_new_bound_moves_the_desired_capacity(practice: Any, change: dict[str, int], desired: int) -> None:
    """A new bound without a desired capacity pushes the desired capacity inside, and only then."""
    practice.create()
    practice.autoscaling.update_auto_scaling_group(AutoScalingGroupName="shop", **change)
    assert practice.group()["DesiredCapacity"] == desired


def test_a_group_with_instances_is_deleted_only_by_force(practice: Any) -> None:
    """DeleteAutoScalingGroup answers ResourceInUse, with ForceDelete the group and its instances go."""
    practice.create()
    with pytest.raises(ClientError) as error:
        practice.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="shop")
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    practice.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="shop", ForceDelete=True)
    assert practice.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    kept = practice.autoscaling.describe_scaling_activities(AutoScalingGroupName="shop", IncludeDeletedGroups=True)
    assert {one["AutoScalingGroupState"] for one in kept["Activities"]} == {"Deleted"}


def test_a_group_is_created_once(practice: Any) -> None:
    """A second group of the same name is AlreadyExists."""
    practice.create()
    with pytest.raises(ClientError) as error:
        practice.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="shop",
            LaunchTemplate={"LaunchTemplateName": "shop-template"},
            MinSize=1,
            MaxSize=2,
            AvailabilityZones=["eu-west-1a"],
        )
    assert error.value.response["Error"]["Code"] == "AlreadyExists"


def test_too_large_a_page_is_the_clients_error(practice: Any) -> None:
    """MaxRecords above 100 is a ValidationError."""
    with pytest.raises(ClientError, match="between 1 and 100"):
        practice.autoscaling.describe_auto_scaling_groups(MaxRecords=101)


def test_a_scaling_policy_has_an_arn(practice: Any) -> None:
    """PutScalingPolicy answers PolicyARN, spelt as the API spells it."""
    practice.create()
    answer = practice.autoscaling.put_scaling_policy(
        AutoScalingGroupName="shop", PolicyName="out", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    assert answer["PolicyARN"].endswith("policyName/out")
