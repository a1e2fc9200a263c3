"""The practice AWS as the world sees it: one account, one region, of moto's backends."""

from collections.abc import Iterable

from setpoint.lab.aws import install
from setpoint.lab.aws.group import IN_SERVICE, PENDING, TERMINATING
from setpoint.lab.aws.store import MetricKey, Sample
from setpoint.lab.config import ACCOUNT_ID, REGION
from setpoint.lab.world.state import FleetCapacity


class MotoCloud:
    """Reads and moves the backends of the laboratory's account."""

    def __init__(self, account_id: str = ACCOUNT_ID, region: str = REGION) -> None:
        self._account_id = account_id
        self._region = region

    def progress(self) -> None:
        """Let time have its effect on all groups."""
        install.autoscaling(self._account_id, self._region).progress()

    def capacity(self, group: str) -> FleetCapacity:
        """Return the instances and bounds of a group."""
        found = install.autoscaling(self._account_id, self._region).autoscaling_groups.get(group)
        if found is None:
            return FleetCapacity()
        return FleetCapacity(
            in_service=len(found.in_state(IN_SERVICE)),
            pending=len(found.in_state(PENDING)),
            terminating=len(found.in_state(TERMINATING)),
            desired=int(found.desired_capacity or 0),
            min_size=found.min_size,
            max_size=found.max_size,
            exists=True,
        )

    def publish(self, key: MetricKey, samples: Iterable[Sample]) -> None:
        """Store samples of a metric."""
        install.cloudwatch(self._account_id, self._region).publish(key, samples)

    def evaluate_alarms(self) -> list[str]:
        """Evaluate all alarms; returns the names of those that changed their state."""
        changed: list[str] = install.cloudwatch(self._account_id, self._region).evaluate_alarms()
        return changed

    def reset(self) -> None:
        """Forget every resource of every service."""
        install.reset()
