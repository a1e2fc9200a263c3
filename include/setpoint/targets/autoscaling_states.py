"""What the Auto Scaling API answers, as our values. Pure.

Shapes: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html, ``API_Activity.html`` and
``API_InstanceRefresh.html`` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from setpoint.model import Action, Activity, ActivityStatus, Operation, TargetState

UNIT = "instance"
_ACTIVE_REFRESH = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
_FAILED = frozenset({"Failed", "Cancelled"})
_SUSPENSION_BLOCKS = {"Launch": Action.SCALE_OUT, "Terminate": Action.SCALE_IN}


def state_of(group: Mapping[str, Any], refreshes: Iterable[Mapping[str, Any]], read_at: datetime) -> TargetState:
    """How a group stands.

    :param group: an ``AutoScalingGroup`` of DescribeAutoScalingGroups.
    :param refreshes: its instance refreshes, finished ones too; empty when there are none or nobody looked.
    """
    instances = group.get("Instances", [])
    return TargetState(
        target=group["AutoScalingGroupName"],
        desired_units=group["DesiredCapacity"],
        in_service_units=_units(one for one in instances if one["LifecycleState"] == "InService"),
        pending_units=_units(one for one in instances if one["LifecycleState"].startswith("Pending")),
        unhealthy_units=_units(one for one in instances if one.get("HealthStatus") == "Unhealthy"),
        min_units=group["MinSize"],
        max_units=group["MaxSize"],
        operations=(*_operations(group), *_refreshes(refreshes)),
        unit=UNIT,
        read_at=read_at,
    )


def _units(instances: Iterable[Mapping[str, Any]]) -> int:
    """Capacity units: with instance weights, one instance counts as many as the group's desired capacity counts it."""
    return sum(int(one.get("WeightedCapacity") or 1) for one in instances)


def _operations(group: Mapping[str, Any]) -> Iterator[Operation]:
    for suspended in group.get("SuspendedProcesses", []):
        process = suspended["ProcessName"]
        if process in _SUSPENSION_BLOCKS:
            yield Operation(
                kind="suspended_process",
                detail=f"process {process} is suspended ({suspended.get('SuspensionReason') or 'no reason given'})",
                blocks=(_SUSPENSION_BLOCKS[process],),
            )
    if group.get("Status"):
        yield Operation(kind="deletion", detail=f"the group is being deleted ({group['Status']})")
    if group.get("Operator"):
        principal = group["Operator"].get("Principal") or "another AWS service"
        yield Operation(kind="managed_group", detail=f"only {principal} may change this group")
    if group.get("DesiredCapacityType", "units") != "units":
        detail = f"its capacity counts {group['DesiredCapacityType']}, not instances; use a group that counts units"
        yield Operation(kind="capacity_type", detail=detail)


def _refreshes(refreshes: Iterable[Mapping[str, Any]]) -> Iterator[Operation]:
    for refresh in refreshes:
        if refresh["Status"] in _ACTIVE_REFRESH:
            done = refresh.get("PercentageComplete") or 0
            detail = f"refresh {refresh['InstanceRefreshId']} is {refresh['Status']}, {done} % complete"
            yield Operation(kind="instance_refresh", detail=detail)


def activity_of(activity: Mapping[str, Any]) -> Activity:
    """One scaling activity. A cancelled one counts as failed: AWS documents both for a launch that did not succeed."""
    code = activity["StatusCode"]
    if code in _FAILED:
        status = ActivityStatus.FAILED
    else:
        status = ActivityStatus.SUCCESSFUL if code == "Successful" else ActivityStatus.IN_PROGRESS
    said = activity.get("StatusMessage", "")
    return Activity(
        activity_id=activity["ActivityId"],
        status=status,
        description=activity.get("Description", ""),
        cause=activity.get("Cause", ""),
        status_message=f"Cancelled: {said}".rstrip(": ") if code == "Cancelled" else said,
        started_at=activity["StartTime"],
        ended_at=activity.get("EndTime"),
        progress_percent=activity.get("Progress") or 0,
    )
