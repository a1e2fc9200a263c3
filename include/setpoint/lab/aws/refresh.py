"""Instance refreshes: replacing the instances of a group a few at a time."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from setpoint.lab.aws.group import IN_SERVICE, LabAutoScalingGroup

# Pending ──> InProgress ──> Successful
#    └────────────┴── cancel ──> Cancelled
PENDING = "Pending"
IN_PROGRESS = "InProgress"
SUCCESSFUL = "Successful"
CANCELLED = "Cancelled"


@dataclass
class InstanceRefresh:
    """One record of DescribeInstanceRefreshes; moto's serialiser reads the attributes by their snake-case names."""

    auto_scaling_group_name: str
    start_time: datetime
    preferences: dict[str, Any]
    old_instance_ids: list[str]
    strategy: str = "Rolling"
    status: str = PENDING
    status_reason: str | None = None
    end_time: datetime | None = None
    instance_refresh_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def active(self) -> bool:
        """Whether it still runs."""
        return self.status in (PENDING, IN_PROGRESS)

    @property
    def instances_to_update(self) -> int:
        """Instances from before the refresh that are still there."""
        return len(self.old_instance_ids)

    def cancel(self, moment: datetime) -> None:
        """Stop here; what was replaced stays replaced."""
        self._end(moment, CANCELLED, "Cancelled due to user request.")

    def progress(self, group: LabAutoScalingGroup, moment: datetime) -> None:
        """Replace the next batch as soon as the group is complete."""
        if self.status == PENDING:
            self.status = IN_PROGRESS
            return
        here = {state.instance_id for state in group.active_instances()}
        self.old_instance_ids = [name for name in self.old_instance_ids if name in here]
        serving = group.in_state(IN_SERVICE)
        if not self.old_instance_ids:
            if len(serving) >= int(group.desired_capacity or 0):
                self._end(moment, SUCCESSFUL, None)
            return
        if len(serving) < int(group.desired_capacity or 0):
            self.status_reason = "Waiting for instances to warm up before continuing."
            return
        self.status_reason = None
        for state in [state for state in serving if state.instance_id in self.old_instance_ids][: self._batch(serving)]:
            group.terminate(state, "an instance was taken out of service in response to an instance refresh.")

    @property
    def percentage_complete(self) -> int:
        """Share of the instances that were replaced, in percent."""
        if self.status == SUCCESSFUL or not self._total:
            return 100
        return round(100 * (self._total - len(self.old_instance_ids)) / self._total)

    def __post_init__(self) -> None:
        self._total = len(self.old_instance_ids)

    def _batch(self, serving: list[Any]) -> int:
        healthy_percent = int(self.preferences.get("MinHealthyPercentage", 90))
        return max(1, len(serving) * (100 - healthy_percent) // 100)

    def _end(self, moment: datetime, status: str, reason: str | None) -> None:
        self.status = status
        self.status_reason = reason
        self.end_time = moment
