"""The Auto Scaling API: what moto does not answer, or answers too kindly."""

from collections.abc import Sequence
from typing import Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from setpoint.lab.aws.autoscaling_backend import LabAutoScalingBackend
from setpoint.lab.aws.errors import InvalidNextToken, ValidationError

PAGE_SIZE = 100  # default and maximum of MaxRecords for activities, refreshes; maximum for groups


class LabAutoScalingResponse(AutoScalingResponse):
    """moto's dispatcher for Auto Scaling, with the missing and the corrected actions."""

    @property
    def lab_backend(self) -> LabAutoScalingBackend:
        """The backend of this request's account and region."""
        backend: LabAutoScalingBackend = self.autoscaling_backend
        return backend

    def call_action(self) -> Any:
        """Answer one request while nothing else moves."""
        with self.lab_backend.environment.lock:
            self.lab_backend.progress()
            return super().call_action()

    def set_desired_capacity(self) -> ActionResult:
        """SetDesiredCapacity with bounds and cooldown."""
        self.lab_backend.request_desired_capacity(
            self._get_param("AutoScalingGroupName"),
            self._get_int_param("DesiredCapacity"),
            honor_cooldown=self._get_bool_param("HonorCooldown", False),
        )
        return EmptyResult()

    def update_auto_scaling_group(self) -> ActionResult:
        """UpdateAutoScalingGroup, cooldown included."""
        cooldown = self._get_int_param("DefaultCooldown")
        if cooldown is not None:
            self.lab_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")].default_cooldown = cooldown
        result: ActionResult = super().update_auto_scaling_group()
        return result

    def delete_auto_scaling_group(self) -> ActionResult:
        """DeleteAutoScalingGroup, which refuses a group with instances unless forced."""
        self.lab_backend.remove_group(
            self._get_param("AutoScalingGroupName"), force=self._get_bool_param("ForceDelete", False)
        )
        return EmptyResult()

    def describe_auto_scaling_groups(self) -> ActionResult:
        """DescribeAutoScalingGroups, at most 100 groups a page."""
        check_max_records(self._get_int_param("MaxRecords"))
        result: ActionResult = super().describe_auto_scaling_groups()
        return result

    def set_instance_health(self) -> ActionResult:
        """SetInstanceHealth; a wrong word is the client's error."""
        health = self._get_param("HealthStatus")
        if health not in ("Healthy", "Unhealthy"):
            raise ValidationError("Valid instance health states are: [Healthy, Unhealthy].")
        self.lab_backend.set_instance_health(self._get_param("InstanceId"), health)
        return EmptyResult()

    def describe_scaling_activities(self) -> ActionResult:
        """DescribeScalingActivities: those in progress first, then the newest, in pages."""
        activities = self.lab_backend.describe_scaling_activities(
            self._get_param("AutoScalingGroupName"),
            self._get_param("ActivityIds", []),
            include_deleted=self._get_bool_param("IncludeDeletedGroups", False),
        )
        page, token = self._page(activities, [activity.activity_id for activity in activities])
        return ActionResult({"Activities": page, "NextToken": token})

    def start_instance_refresh(self) -> ActionResult:
        """StartInstanceRefresh."""
        refresh_id = self.lab_backend.start_instance_refresh(
            self._get_param("AutoScalingGroupName"),
            dict(self._get_param("Preferences", {})),
            self._get_param("Strategy", "Rolling"),
        )
        return ActionResult({"InstanceRefreshId": refresh_id})

    def describe_instance_refreshes(self) -> ActionResult:
        """DescribeInstanceRefreshes, newest first."""
        refreshes = self.lab_backend.describe_instance_refreshes(
            self._get_param("AutoScalingGroupName"), self._get_param("InstanceRefreshIds", [])
        )
        page, token = self._page(refreshes, [refresh.instance_refresh_id for refresh in refreshes])
        return ActionResult({"InstanceRefreshes": page, "NextToken": token})

    def cancel_instance_refresh(self) -> ActionResult:
        """CancelInstanceRefresh."""
        refresh_id = self.lab_backend.cancel_instance_refresh(self._get_param("AutoScalingGroupName"))
        return ActionResult({"InstanceRefreshId": refresh_id})

    def put_scaling_policy(self) -> ActionResult:
        """PutScalingPolicy; moto spells the key of the ARN differently from the API."""
        arn = super().put_scaling_policy().result["PolicyArn"]
        return ActionResult({"PolicyARN": arn, "Alarms": []})

    def _page(self, items: Sequence[Any], ids: list[str]) -> tuple[Sequence[Any], str | None]:
        """Return one page and the token of the next: the id of the last item of this page."""
        size = check_max_records(self._get_int_param("MaxRecords")) or PAGE_SIZE
        token = self._get_param("NextToken")
        if token is not None and token not in ids:
            raise InvalidNextToken
        start = 0 if token is None else ids.index(token) + 1
        page = items[start : start + size]
        return page, ids[start + size - 1] if len(items) > start + size else None


def check_max_records(size: int | None) -> int | None:
    """Return the page size asked for, None when none was.

    :raises ValidationError: when it is not between 1 and 100.
    """
    if size is not None and not 1 <= size <= PAGE_SIZE:
        raise ValidationError(
            f"1 validation error detected: Value '{size}' at 'maxRecords' failed to satisfy constraint: "
            f"Member must have value between 1 and {PAGE_SIZE}"
        )
    return size
