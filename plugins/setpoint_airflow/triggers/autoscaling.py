"""Wait in the triggerer for an Auto Scaling group's capacity."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger

from setpoint_airflow.hooks.autoscaling import STATUS_QUERIES, AutoScalingHook, CapacityWaiter, gone


class AutoScalingGroupCapacityTrigger(AwsBaseWaiterTrigger):
    """
    Wait until an Auto Scaling group has so much capacity in service.

    :param auto_scaling_group_name: The name of the Auto Scaling group.
    :param capacity: Capacity units in service to wait for.
    :param waiter_name: ``capacity_at_least`` (scaling out) or ``capacity_at_most`` (scaling in).
    :param return_value: What the event returns as ``value`` when the capacity is there.
    :param waiter_delay: The amount of time in seconds to wait between attempts.
    :param waiter_max_attempts: The maximum number of attempts to be made.
    :param aws_conn_id: The Airflow connection used for AWS credentials.
    :param region_name: The AWS region where the group is. Used to build the hook.
    :param verify: Whether or not to verify SSL certificates. Used to build the hook.
    :param botocore_config: Configuration dictionary for the botocore client. Used to build the hook.
    """

    aws_hook_class = AutoScalingHook

    def __init__(
        self,
        *,
        auto_scaling_group_name: str,
        capacity: int,
        waiter_name: CapacityWaiter = "capacity_at_least",
        return_value: Any = None,
        waiter_delay: int = 15,
        waiter_max_attempts: int = 60,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={
                "auto_scaling_group_name": auto_scaling_group_name,
                "capacity": capacity,
                "waiter_name": waiter_name,
                "return_value": return_value,
            },
            waiter_name=waiter_name,
            waiter_args={"AutoScalingGroupNames": [auto_scaling_group_name]},
            # The acceptors depend on the capacity, so they override those of the waiter's model.
            waiter_config_overrides={
                "acceptors": AutoScalingHook(aws_conn_id=None).capacity_acceptors(waiter_name, capacity)
            },
            failure_message=gone(auto_scaling_group_name),
            status_message=f"{auto_scaling_group_name}: waiting for {waiter_name} {capacity}",
            status_queries=STATUS_QUERIES,
            return_value=return_value,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
