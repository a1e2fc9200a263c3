"""The practice AWS as the world sees it: one account, one region, of moto's backends."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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

    @contextmanager
    def misreporting(self, group: str | None, units: int) -> Iterator[None]:
        """Have a group (or all) tell a desired capacity that is off by ``units``; nothing else sees it, under the lock.

        Groups that are not there are left out.
        """
        groups = install.autoscaling(self._account_id, self._region).autoscaling_groups
        told = [one for name, one in groups.items() if group in (None, name)]
        truth = [one.desired_capacity for one in told]
        for one in told:
            one.desired_capacity = max(0, int(one.desired_capacity or 0) + units)
        try:
            yield
        finally:
            for one, desired in zip(told, truth, strict=True):
                one.desired_capacity = desired

    def reset(self) -> None:
        """Forget every resource of every service."""
        install.reset()
