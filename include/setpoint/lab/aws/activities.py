"""Scaling activities: the record AWS keeps of every launch and termination."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime

IN_PROGRESS = "InProgress"
SUCCESSFUL = "Successful"
FAILED = "Failed"
CANCELLED = "Cancelled"


@dataclass
class ScalingActivity:
    """One record of DescribeScalingActivities; moto's serialiser reads the attributes by their snake-case names."""

    auto_scaling_group_name: str
    auto_scaling_group_arn: str
    description: str
    cause: str
    start_time: datetime
    availability_zone: str
    status_code: str = IN_PROGRESS
    status_message: str | None = None
    progress: int = 0
    end_time: datetime | None = None
    auto_scaling_group_state: str | None = None
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def details(self) -> str:
        """The JSON text AWS puts into `Details`."""
        return json.dumps({"Availability Zone": self.availability_zone}, separators=(",", ":"))

    def succeed(self, moment: datetime) -> None:
        """The instance arrived, or is gone."""
        self._end(moment, SUCCESSFUL)

    def fail(self, moment: datetime, message: str) -> None:
        """EC2 refused; `message` is what it said."""
        self._end(moment, FAILED)
        self.status_message = message

    def cancel(self, moment: datetime, message: str) -> None:
        """The activity was overtaken, for example by a scale-in of an instance that still boots."""
        self._end(moment, CANCELLED)
        self.status_message = message

    def _end(self, moment: datetime, status_code: str) -> None:
        self.status_code = status_code
        self.progress = 100
        self.end_time = moment


def newest_first(activities: list[ScalingActivity]) -> list[ScalingActivity]:
    """Return the activities as AWS lists them: those in progress first, then by start time, newest first."""

    def rank(numbered: tuple[int, ScalingActivity]) -> tuple[bool, float, int]:
        number, activity = numbered
        return activity.status_code != IN_PROGRESS, -activity.start_time.timestamp(), -number

    return [activity for _, activity in sorted(enumerate(activities), key=rank)]


def insufficient_capacity(instance_type: str, zone: str, other_zones: list[str]) -> str:
    """Return EC2's wording of InsufficientInstanceCapacity, as it appears in a failed activity."""
    advice = (
        "You can currently get "
        f"{instance_type} capacity by not specifying an Availability Zone in your request"
        + (f" or choosing {', '.join(other_zones)}." if other_zones else ".")
    )
    return (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested "
        f"({zone}). Our system will be working on provisioning additional capacity. {advice} "
        "Launching EC2 instance failed."
    )
