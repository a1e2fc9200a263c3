"""``aws.autoscaling``: an Auto Scaling group launched or terminated an instance, or failed to.

Format: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from setpoint.events.bridge import Bridged, event_of, groups_in, is_bridged
from setpoint.events.contract import EventConfig
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import Loose, Pattern, Text, like, read_as
from setpoint.model import Event
from setpoint.model.base import Name

KIND = "aws.autoscaling"
Activity = Literal["launched", "launch_failed", "terminated", "terminate_failed"]

_ACTIVITIES: Mapping[str, Activity] = {
    "EC2 Instance Launch Successful": "launched",
    "EC2 Instance Launch Unsuccessful": "launch_failed",
    "EC2 Instance Terminate Successful": "terminated",
    "EC2 Instance Terminate Unsuccessful": "terminate_failed",
}


class AutoScalingConfig(EventConfig):
    """``kind: aws.autoscaling``: which groups, and which activities of theirs."""

    kind: Literal["aws.autoscaling"]
    group: Pattern = Field(default="*", description="the group's name, with * and ? as wildcards")
    activities: tuple[Activity, ...] = Field(
        default=("launch_failed", "terminate_failed"), min_length=1, description="what the group did, or failed to do"
    )


class _Where(Loose):
    zone: Text = Field(default="", alias="Availability Zone")


class _Detail(Loose):
    AutoScalingGroupName: Name
    EC2InstanceId: Text = ""
    StatusMessage: Text = ""
    Cause: Text = ""
    Details: _Where = _Where()


class AutoScalingEvent:
    """An activity of an Auto Scaling group. Its target is the group."""

    Config: ClassVar[type[AutoScalingConfig]] = AutoScalingConfig
    targets_of: ClassVar[str] = "aws.autoscaling_group"
    looks_like: ClassVar[str] = "EventBridge's aws.autoscaling event of an instance launched or terminated, or not"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return is_bridged(body, "aws.autoscaling", _ACTIVITIES)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        envelope = read_as(Bridged[_Detail], body, kind=KIND)
        detail = envelope.detail
        why = detail.StatusMessage or detail.Cause
        return [
            event_of(
                envelope,
                kind=KIND,
                received_at=received_at,
                targets=[detail.AutoScalingGroupName, *groups_in(envelope.resources)],
                summary=f"{detail.AutoScalingGroupName}: {envelope.detail_type}" + (f": {why}" if why else ""),
                payload={
                    "group": detail.AutoScalingGroupName,
                    "activity": _ACTIVITIES[envelope.detail_type],
                    "instance": one_line(detail.EC2InstanceId, 100),
                    "zone": one_line(detail.Details.zone, 100),
                    "status": one_line(detail.StatusMessage),
                    "cause": one_line(detail.Cause),
                },
            )
        ]

    @staticmethod
    def wanted(event: Event, config: AutoScalingConfig) -> bool:
        return like(event.payload.get("group"), config.group) and event.payload.get("activity") in config.activities
