"""Interact with Amazon EC2 Auto Scaling."""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

CapacityWaiter = Literal["capacity_at_least", "capacity_at_most"]
CAPACITY_WAITERS: tuple[CapacityWaiter, ...] = ("capacity_at_least", "capacity_at_most")
STATUS_QUERIES = [
    "AutoScalingGroups[0].DesiredCapacity",
    "AutoScalingGroups[0].Instances[].LifecycleState",
]


def gone(auto_scaling_group_name: str) -> str:
    """What ends a wait for capacity for good."""
    return f"The Auto Scaling group {auto_scaling_group_name!r} does not exist or is being deleted"


class AutoScalingGroupNotFoundError(LookupError):
    """There is no Auto Scaling group of that name in the region."""

    def __init__(self, name: str, region: str) -> None:
        super().__init__(name, region)
        self.name = name
        self.region = region

    def __str__(self) -> str:
        return f"there is no Auto Scaling group named {self.name!r} in {self.region}; check its name and region_name"


class AutoScalingHook(AwsBaseHook):
    """
    Interact with Amazon EC2 Auto Scaling.

    Provide thin wrapper around :external+boto3:py:class:`boto3.client("autoscaling") <AutoScaling.Client>`.

    Additional arguments (such as ``aws_conn_id``) may be specified and
    are passed down to the underlying AwsBaseHook.

    .. seealso::
        - :class:`airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook`
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "autoscaling"
        super().__init__(*args, **kwargs)

    @cached_property
    def waiter_path(self) -> PathLike[str]:
        """Where this hook's own waiters are; botocore has none for Auto Scaling."""
        return Path(__file__).parents[1] / "waiters" / "autoscaling.json"

    def get_group(self, auto_scaling_group_name: str) -> dict[str, Any]:
        """
        Describe one group.

        :param auto_scaling_group_name: The name of the Auto Scaling group.
        :return: The group as ``DescribeAutoScalingGroups`` answers it.
        :raises AutoScalingGroupNotFoundError: There is no such group in the region.
        """
        answer = self.conn.describe_auto_scaling_groups(AutoScalingGroupNames=[auto_scaling_group_name])
        if not answer["AutoScalingGroups"]:
            raise AutoScalingGroupNotFoundError(auto_scaling_group_name, self.conn_region_name)
        group: dict[str, Any] = answer["AutoScalingGroups"][0]
        return group

    def capacity_acceptors(self, waiter_name: CapacityWaiter, capacity: int) -> list[dict[str, Any]]:
        """
        Return when a wait for capacity ends: one of the waiters' acceptors with the capacity filled in.

        :param waiter_name: ``capacity_at_least`` or ``capacity_at_most``.
        :param capacity: Capacity units (instances, or their weights where the group has weights) in service.
        """
        with open(self.waiter_path) as file:
            config = json.load(file)
        filled = self._apply_parameters_value(config, waiter_name, {"capacity": str(int(capacity))})
        acceptors: list[dict[str, Any]] = filled["waiters"][waiter_name]["acceptors"]
        return acceptors

    def capacity_state(self, auto_scaling_group_name: str, acceptors: list[dict[str, Any]]) -> str:
        """
        Look once, by the same acceptors a waiter goes by.

        :param auto_scaling_group_name: The name of the Auto Scaling group.
        :param acceptors: From :meth:`capacity_acceptors`.
        :return: ``success``, ``failure`` (the group is gone or being deleted) or ``retry``.
        """
        from botocore.waiter import AcceptorConfig

        answer = self.conn.describe_auto_scaling_groups(AutoScalingGroupNames=[auto_scaling_group_name])
        for acceptor in map(AcceptorConfig, acceptors):
            if acceptor.matcher_func(answer):
                return str(acceptor.state)
        return "retry"
