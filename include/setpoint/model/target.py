"""The thing that changes, and how it stands."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from setpoint.model.base import Name, Units, UtcDatetime, Value


class Operation(Value):
    """Another operation on the target that is not ours to disturb."""

    kind: Name
    """Such as ``instance_refresh`` or ``suspended_process``."""
    detail: str
    blocks: tuple[str, ...] = ("scale_out", "scale_in")
    """The actions it forbids."""


class TargetState(Value):
    """How a target stands, as read from the provider in one look."""

    target: Name
    desired_units: Units
    in_service_units: Units
    pending_units: Units = 0
    unhealthy_units: Units = 0
    min_units: Units
    """The provider's own lower bound."""
    max_units: Units
    """The provider's own upper bound."""
    operations: tuple[Operation, ...] = ()
    unit: Name
    """What one unit is: ``instance``, ``task``, ``node``."""
    read_at: UtcDatetime


class ActivityStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    SUCCESSFUL = "successful"
    FAILED = "failed"


class Activity(Value):
    """One thing the provider did, or failed to do, to reach the desired capacity."""

    activity_id: Name
    status: ActivityStatus
    description: str
    cause: str = ""
    status_message: str = ""
    started_at: UtcDatetime
    ended_at: UtcDatetime | None = None
    progress_percent: int = Field(default=0, ge=0, le=100)


class TargetHealth(Value):
    """What the provider itself says about a target's health since a moment."""

    target: Name
    in_service_units: Units
    unhealthy_units: Units
    activities: tuple[Activity, ...] = ()

    @property
    def failed(self) -> tuple[Activity, ...]:
        """The activities that failed: a launch that failed is not a slow one."""
        return tuple(one for one in self.activities if one.status is ActivityStatus.FAILED)
