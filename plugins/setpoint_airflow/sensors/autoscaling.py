"""Wait for an Auto Scaling group's capacity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils import validate_execute_complete_event
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.providers.common.compat.sdk import AirflowFailException, conf

from setpoint_airflow.hooks.autoscaling import CAPACITY_WAITERS, AutoScalingHook, CapacityWaiter, gone
from setpoint_airflow.sensors.first_look import first_look
from setpoint_airflow.triggers.autoscaling import AutoScalingGroupCapacityTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

_NO_LIMIT = 999_999
"""The sensor's own timeout ends the wait, in the triggerer as in the worker."""


class AutoScalingGroupCapacitySensor(AwsBaseSensor[AutoScalingHook]):
    """
    Wait until an Auto Scaling group has so much capacity in service.

    Fails, without retry, when the group is gone or being deleted.

    :param auto_scaling_group_name: The name of the Auto Scaling group. (templated)
    :param capacity: Capacity units in service to wait for. (templated)
    :param waiter_name: ``capacity_at_least`` (scaling out) or ``capacity_at_most`` (scaling in).
    :param deferrable: If True, the sensor waits in the triggerer. This requires the aiobotocore module to be installed.
    :param aws_conn_id: The Airflow connection used for AWS credentials.
    :param region_name: AWS region_name. If not specified then the default boto3 behaviour is used.
    :param verify: Whether or not to verify SSL certificates.
    :param botocore_config: Configuration dictionary (key-values) for botocore client.
    """

    aws_hook_class = AutoScalingHook
    template_fields: Sequence[str] = aws_template_fields("auto_scaling_group_name", "capacity")
    ui_color = "#fddac3"

    def __init__(
        self,
        *,
        auto_scaling_group_name: str,
        capacity: int | str,
        waiter_name: CapacityWaiter = "capacity_at_least",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.auto_scaling_group_name = auto_scaling_group_name
        self.capacity = capacity
        self.waiter_name = waiter_name
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool:
        if self.waiter_name not in CAPACITY_WAITERS:
            raise AirflowFailException(f"waiter_name is one of {', '.join(CAPACITY_WAITERS)}; got {self.waiter_name!r}")
        acceptors = self.hook.capacity_acceptors(self.waiter_name, int(self.capacity))
        state = self.hook.capacity_state(self.auto_scaling_group_name, acceptors)
        self.log.info("%s: %s %s: %s", self.auto_scaling_group_name, self.waiter_name, self.capacity, state)
        if state == "failure":
            raise AirflowFailException(gone(self.auto_scaling_group_name))
        return bool(state == "success")

    def execute(self, context: Context) -> None:
        if not self.deferrable:
            super().execute(context=context)
        elif not first_look(self, context):
            self.defer(
                timeout=timedelta(seconds=self.timeout),
                trigger=AutoScalingGroupCapacityTrigger(
                    auto_scaling_group_name=self.auto_scaling_group_name,
                    capacity=int(self.capacity),
                    waiter_name=self.waiter_name,
                    waiter_delay=self.poke_interval,
                    waiter_max_attempts=_NO_LIMIT,
                    aws_conn_id=self.aws_conn_id,
                    region_name=self.region_name,
                    verify=self.verify,
                    botocore_config=self.botocore_config,
                ),
                method_name="execute_complete",
            )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        validated_event = validate_execute_complete_event(event)
        if validated_event["status"] != "success":
            raise AirflowFailException(validated_event["message"])
        self.log.info("%s: the capacity is in service", self.auto_scaling_group_name)
