"""Auto Scaling as AWS behaves: bounds are enforced, instances take time, activities are recorded."""

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, ClassVar

from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.urls import url_bases

from setpoint.lab.aws.activities import ScalingActivity, newest_first
from setpoint.lab.aws.environment import Environment
from setpoint.lab.aws.errors import (
    ActiveInstanceRefreshNotFound,
    AlreadyExists,
    InstanceRefreshInProgress,
    ResourceInUse,
    ScalingActivityInProgress,
    ValidationError,
    group_not_found,
)
from setpoint.lab.aws.group import LabAutoScalingGroup
from setpoint.lab.aws.refresh import InstanceRefresh
from setpoint.lab.clock import at


class GroupRegistry(OrderedDict[str, LabAutoScalingGroup]):
    """The groups by name; asking for one that is not there is AWS's error, not a KeyError."""

    def __missing__(self, name: str) -> LabAutoScalingGroup:
        raise group_not_found(name)


class LabAutoScalingBackend(AutoScalingBackend):
    """moto's backend with the rules of the real service."""

    environment: ClassVar[Environment]
    handler: ClassVar[Any]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.autoscaling_groups = GroupRegistry()
        self._activities: dict[str, list[ScalingActivity]] = {}
        self._refreshes: dict[str, list[InstanceRefresh]] = {}

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=url_bases, url_paths={"{0}/$": self.handler})

    # Capacity --------------------------------------------------------------------------------------------------

    def request_desired_capacity(self, name: str, desired: int, *, honor_cooldown: bool) -> None:
        """Carry out SetDesiredCapacity with its checks.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html
        """
        group = self.autoscaling_groups[name]
        if desired > group.max_size:
            raise ValidationError(
                f"New SetDesiredCapacity value {desired} is above max value {group.max_size} for the AutoScalingGroup."
            )
        if desired < group.min_size:
            raise ValidationError(
                f"New SetDesiredCapacity value {desired} is below min value {group.min_size} for the AutoScalingGroup."
            )
        blocking = group.blocking_activity() if honor_cooldown else None
        if blocking is not None:
            raise ScalingActivityInProgress(
                f"Scaling activity {blocking.activity_id} is in progress and blocks this action"
            )
        self.set_desired_capacity(name, desired)

    def create_auto_scaling_group(self, *, name: str, **kwargs: Any) -> LabAutoScalingGroup:
        """Create a group whose sizes fit each other."""
        if name in self.autoscaling_groups:
            raise AlreadyExists("AutoScalingGroup by this name already exists - A group with the name already exists")
        check_sizes(kwargs.get("min_size"), kwargs.get("max_size"), kwargs.get("desired_capacity"))
        group: LabAutoScalingGroup = super().create_auto_scaling_group(name=name, **kwargs)
        return group

    def update_auto_scaling_group(self, name: str, **kwargs: Any) -> LabAutoScalingGroup:
        """Change a group; a new bound moves the desired capacity with it, as the API documents.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
        """
        group = self.autoscaling_groups[name]
        min_size = group.min_size if kwargs.get("min_size") is None else kwargs["min_size"]
        max_size = group.max_size if kwargs.get("max_size") is None else kwargs["max_size"]
        desired = kwargs.get("desired_capacity")
        check_sizes(min_size, max_size, desired)
        if desired is None:
            kwargs["desired_capacity"] = min(max(int(group.desired_capacity or 0), min_size), max_size)
        cooldown = kwargs.pop("default_cooldown", None)
        if cooldown is not None:
            group.default_cooldown = cooldown
        super().update_auto_scaling_group(name=name, **kwargs)
        return group

    def remove_group(self, name: str, *, force: bool) -> None:
        """Delete a group; one that has instances only by force."""
        group = self.autoscaling_groups[name]
        if group.instance_states and not force:
            raise ResourceInUse(
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance "
                "request(s) still in the group."
            )
        group.discard_instances()
        del self.autoscaling_groups[name]
        self._refreshes.pop(name, None)
        for activity in self.activities_of(name):
            activity.auto_scaling_group_state = "Deleted"

    def delete_auto_scaling_group(self, group_name: str) -> None:
        """Delete with everything in it (moto's own callers: CloudFormation)."""
        self.remove_group(group_name, force=True)

    # Instances -------------------------------------------------------------------------------------------------

    def progress(self) -> None:
        """Let time have its effect on every group."""
        for group in self.autoscaling_groups.values():
            self._progress_refreshes(group)
            group.progress()

    def set_instance_health(self, instance_id: str, health_status: str) -> None:
        """Record what a health check says; the next tick replaces an unhealthy instance."""
        self._instance(instance_id)[1].health_status = health_status

    def terminate_instance(self, instance_id: str, should_decrement: bool) -> ScalingActivity:
        """Terminate one instance of a group, with or without lowering the desired capacity."""
        group, state = self._instance(instance_id)
        cause = "an instance was taken out of service in response to a user request"
        if should_decrement:
            before = int(group.desired_capacity or 0)
            if before <= group.min_size:
                raise ValidationError(
                    "Currently, desiredSize equals minSize "
                    f"({group.min_size}). Terminating instance without replacement will violate group's "
                    "min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower "
                    "group's min size."
                )
            group.desired_capacity = before - 1
            cause += f", shrinking the capacity from {before} to {before - 1}"
        activity = group.terminate(state, f"{cause}.")
        group.reconcile()
        return activity

    def _instance(self, instance_id: str) -> tuple[LabAutoScalingGroup, Any]:
        for group in self.autoscaling_groups.values():
            for state in group.instance_states:
                if state.instance_id == instance_id:
                    return group, state
        raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")

    # Activities and refreshes ----------------------------------------------------------------------------------

    def activities_of(self, name: str) -> list[ScalingActivity]:
        """Return the record of one group, oldest first; it outlives the group."""
        return self._activities.setdefault(name, [])

    def describe_scaling_activities(
        self, name: str | None, activity_ids: list[str], *, include_deleted: bool
    ) -> list[ScalingActivity]:
        """Return the activities of one group or of all, in the order AWS lists them."""
        if name is not None and name not in self.autoscaling_groups and not include_deleted:
            raise group_not_found(name)
        names = [name] if name is not None else list(self._activities)
        found = [
            activity
            for group_name in names
            if include_deleted or group_name in self.autoscaling_groups
            for activity in self._activities.get(group_name, [])
            if not activity_ids or activity.activity_id in activity_ids
        ]
        return newest_first(found)

    def start_instance_refresh(self, name: str, preferences: dict[str, Any], strategy: str) -> str:
        """Begin to replace all instances of a group; returns the refresh's id."""
        group = self.autoscaling_groups[name]
        if any(refresh.active for refresh in self._refreshes.get(name, [])):
            raise InstanceRefreshInProgress
        refresh = InstanceRefresh(
            auto_scaling_group_name=name,
            start_time=at(self.environment.clock.now()),
            preferences=preferences,
            strategy=strategy,
            old_instance_ids=[state.instance_id for state in group.active_instances()],
        )
        self._refreshes.setdefault(name, []).append(refresh)
        return refresh.instance_refresh_id

    def describe_instance_refreshes(self, name: str, refresh_ids: list[str]) -> list[InstanceRefresh]:
        """Return the refreshes of a group, newest first."""
        if name not in self.autoscaling_groups:
            raise group_not_found(name)
        return [
            refresh
            for refresh in reversed(self._refreshes.get(name, []))
            if not refresh_ids or refresh.instance_refresh_id in refresh_ids
        ]

    def cancel_instance_refresh(self, name: str) -> str:
        """Cancel the running refresh of a group; returns its id."""
        for refresh in self.describe_instance_refreshes(name, []):
            if refresh.active:
                refresh.cancel(at(self.environment.clock.now()))
                return refresh.instance_refresh_id
        raise ActiveInstanceRefreshNotFound(
            f"No in progress or pending Instance Refresh found for Auto Scaling group {name}"
        )

    def _progress_refreshes(self, group: LabAutoScalingGroup) -> None:
        if group.is_suspended("InstanceRefresh"):
            return
        for refresh in self._refreshes.get(group.name, []):
            if refresh.active:
                refresh.progress(group, at(self.environment.clock.now()))


def check_sizes(min_size: int | None, max_size: int | None, desired: int | None) -> None:
    """Raise AWS's ValidationError when the three sizes of a group do not fit each other."""
    if min_size is None or max_size is None:
        missing = "MinSize" if min_size is None else "MaxSize"
        raise ValidationError(f"The parameter {missing} is required.")
    if min_size > max_size:
        raise ValidationError(f"Max bound, {max_size}, must be greater than or equal to min bound, {min_size}.")
    if desired is not None and not min_size <= desired <= max_size:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{min_size} and max size:{max_size}"
        )
