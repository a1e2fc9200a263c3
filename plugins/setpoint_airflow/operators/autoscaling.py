"""Operators for Amazon EC2 Auto Scaling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils import validate_execute_complete_event
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.providers.amazon.aws.utils.waiter_with_logging import wait
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, conf

from setpoint.aws_errors import advice, error_code, handling_of
from setpoint.targets.autoscaling_states import state_of
from setpoint_airflow.hooks.autoscaling import STATUS_QUERIES, AutoScalingHook, CapacityWaiter
from setpoint_airflow.links.autoscaling import AutoScalingGroupLink
from setpoint_airflow.triggers.autoscaling import AutoScalingGroupCapacityTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


SET_DESIRED_CAPACITY = "autoscaling:SetDesiredCapacity"


class CapacityOutOfBoundsError(ValueError):
    """The wanted capacity lies outside the group's own minimum and maximum; nothing was called."""


class AutoScalingSetDesiredCapacityOperator(AwsBaseOperator[AutoScalingHook]):
    """
    Set the desired capacity of an Auto Scaling group.

    The group is read first: a capacity outside its bounds is refused before the call, and one that is set already is
    not set again, so a retry changes nothing.

    :param auto_scaling_group_name: The name of the Auto Scaling group. (templated)
    :param desired_capacity: The capacity wanted, a whole number from 0. (templated)
    :param honor_cooldown: Whether the call is refused while the group's cooldown runs.
    :param wait_for_completion: Wait until the capacity is in service (or, scaling in, gone).
    :param waiter_delay: The amount of time in seconds to wait between attempts.
    :param waiter_max_attempts: The maximum number of attempts to be made.
    :param deferrable: If True, the operator waits in the triggerer. This implies waiting for completion and
        requires the aiobotocore module to be installed.
    :param aws_conn_id: The Airflow connection used for AWS credentials.
    :param region_name: AWS region_name. If not specified then the default boto3 behaviour is used.
    :param verify: Whether or not to verify SSL certificates.
    :param botocore_config: Configuration dictionary (key-values) for botocore client.
    :return: ``{"auto_scaling_group_name", "previous_capacity", "desired_capacity", "changed"}``.
    :raises AirflowFailException: AWS refused the call for good; the task is not tried again.
    """

    aws_hook_class = AutoScalingHook
    template_fields: Sequence[str] = aws_template_fields("auto_scaling_group_name", "desired_capacity")
    operator_extra_links = (AutoScalingGroupLink(),)
    ui_color = "#eeaa11"
    ui_fgcolor = "#ffffff"

    def __init__(
        self,
        *,
        auto_scaling_group_name: str,
        desired_capacity: int | str,
        honor_cooldown: bool = False,
        wait_for_completion: bool = False,
        waiter_delay: int = 15,
        waiter_max_attempts: int = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.auto_scaling_group_name = auto_scaling_group_name
        self.desired_capacity = desired_capacity
        self.honor_cooldown = honor_cooldown
        self.wait_for_completion = wait_for_completion
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        wanted = _whole_number(self.desired_capacity)
        AutoScalingGroupLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            auto_scaling_group_name=self.auto_scaling_group_name,
        )
        group = self.hook.get_group(self.auto_scaling_group_name)
        previous = int(group["DesiredCapacity"])
        self._check_bounds(wanted, group)
        result = {
            "auto_scaling_group_name": self.auto_scaling_group_name,
            "previous_capacity": previous,
            "desired_capacity": wanted,
            "changed": wanted != previous,
        }
        if result["changed"]:
            self._set_desired_capacity(wanted)
            self.log.info("%s: desired capacity %d -> %d", self.auto_scaling_group_name, previous, wanted)
        else:
            self.log.info("%s: desired capacity is %d already", self.auto_scaling_group_name, wanted)
        if self.wait_for_completion or self.deferrable:
            # What is in service tells the direction, also to a retry that finds the capacity set already.
            in_service = state_of(group, (), datetime.now(UTC)).in_service_units
            self._wait("capacity_at_most" if in_service > wanted else "capacity_at_least", wanted, result)
        return result

    def _set_desired_capacity(self, wanted: int) -> None:
        from botocore.exceptions import ClientError

        try:
            self.hook.conn.set_desired_capacity(
                AutoScalingGroupName=self.auto_scaling_group_name,
                DesiredCapacity=wanted,
                HonorCooldown=self.honor_cooldown,
            )
        except ClientError as error:
            # A scaling activity in progress ends by itself, and with honor_cooldown so does the cooldown.
            handling = handling_of(error)
            if handling.retryable or error_code(error) == "ScalingActivityInProgress":
                raise
            raise AirflowFailException(f"{error}. {advice(handling, (SET_DESIRED_CAPACITY,))}") from error

    def _check_bounds(self, wanted: int, group: dict[str, Any]) -> None:
        smallest, largest = int(group["MinSize"]), int(group["MaxSize"])
        if not smallest <= wanted <= largest:
            raise CapacityOutOfBoundsError(
                f"desired_capacity {wanted} is outside the bounds of {self.auto_scaling_group_name}: "
                f"{smallest} to {largest}. Nothing was changed; ask for a capacity within them, or move them first."
            )

    def _wait(self, waiter_name: CapacityWaiter, capacity: int, result: dict[str, Any]) -> None:
        trigger = AutoScalingGroupCapacityTrigger(
            auto_scaling_group_name=self.auto_scaling_group_name,
            capacity=capacity,
            waiter_name=waiter_name,
            return_value=result,
            waiter_delay=self.waiter_delay,
            waiter_max_attempts=self.waiter_max_attempts,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
        if self.deferrable:
            self.defer(
                trigger=trigger,
                method_name="execute_complete",
                # A trigger that dies does not start its attempts anew; a minute is left for it to end by itself.
                timeout=timedelta(seconds=self.waiter_delay * self.waiter_max_attempts + 60),
            )
        wait(
            waiter=self.hook.get_waiter(waiter_name, config_overrides=trigger.waiter_config_overrides),
            waiter_delay=self.waiter_delay,
            waiter_max_attempts=self.waiter_max_attempts,
            args=trigger.waiter_args,
            failure_message=trigger.failure_message,
            status_message=trigger.status_message,
            status_args=STATUS_QUERIES,
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        validated_event = validate_execute_complete_event(event)
        if validated_event["status"] != "success":
            raise AirflowException(validated_event["message"])
        result: dict[str, Any] = validated_event["value"]
        self.log.info("%s: capacity %d is in service", self.auto_scaling_group_name, result["desired_capacity"])
        return result


def _whole_number(value: int | str) -> int:
    """The capacity as a number; a template renders to text."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise ValueError(f"desired_capacity is a whole number from 0; got {value!r}")
    return int(text)
