"""The reading half of the Auto Scaling API: a client that can only read, and the paging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self

from setpoint.targets.aws import provider_errors

Answer = Mapping[str, Any]

PAGE: Final = 100
"""Most names, and most records, that DescribeAutoScalingGroups and DescribeScalingActivities take in one call."""

GROUPS: Final = "autoscaling:DescribeAutoScalingGroups"
ACTIVITIES: Final = "autoscaling:DescribeScalingActivities"
REFRESHES: Final = "autoscaling:DescribeInstanceRefreshes"


class ReadOnlyClient:
    """Three describing calls of a boto3 ``autoscaling`` client and nothing else of it.

    Whoever holds this instead of the client has no method that changes anything: no attribute is looked up on the
    client beneath, and none can be set.
    """

    __slots__ = ("_activities", "_groups", "_refreshes")

    _activities: Callable[..., Answer]
    _groups: Callable[..., Answer]
    _refreshes: Callable[..., Answer]

    def __init__(self, client: Any) -> None:
        object.__setattr__(self, "_groups", client.describe_auto_scaling_groups)
        object.__setattr__(self, "_activities", client.describe_scaling_activities)
        object.__setattr__(self, "_refreshes", client.describe_instance_refreshes)

    @classmethod
    def of(cls, client: Any) -> Self:
        """The client itself when it is read-only already, else its reading half."""
        return client if isinstance(client, cls) else cls(client)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a read-only client does not change; {name!r} cannot be set")

    def describe_auto_scaling_groups(self, **arguments: Any) -> Answer:
        return self._groups(**arguments)

    def describe_scaling_activities(self, **arguments: Any) -> Answer:
        return self._activities(**arguments)

    def describe_instance_refreshes(self, **arguments: Any) -> Answer:
        return self._refreshes(**arguments)


def groups_named(client: ReadOnlyClient, names: Sequence[str]) -> Iterator[Answer]:
    """The groups of these names, as far as they exist; 100 names a call."""
    wanted = list(dict.fromkeys(names))
    for start in range(0, len(wanted), PAGE):
        chunk = wanted[start : start + PAGE]
        yield from _groups(client, f"reading {_few(chunk)}", AutoScalingGroupNames=chunk)


def groups_tagged(client: ReadOnlyClient, tags: Mapping[str, str]) -> Iterator[Answer]:
    """The groups that have every one of these tags, each with this value."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    words = ", ".join(f"{key}={value}" for key, value in tags.items())
    # Instances are not needed to know a name; without them a page of a large fleet is a tenth of the size.
    return _groups(client, f"finding the groups tagged {words}", Filters=filters, IncludeInstances=False)


def _groups(client: ReadOnlyClient, doing: str, **arguments: Any) -> Iterator[Answer]:
    for page in _pages(client.describe_auto_scaling_groups, doing, GROUPS, MaxRecords=PAGE, **arguments):
        yield from page["AutoScalingGroups"]


def refreshes_of(client: ReadOnlyClient, name: str) -> Sequence[Answer]:
    """The newest instance refreshes of a group. One page: at most one is active, and it is among the newest."""
    with provider_errors(f"reading the instance refreshes of {name}", REFRESHES):
        answer = client.describe_instance_refreshes(AutoScalingGroupName=name)
    refreshes: Sequence[Answer] = answer["InstanceRefreshes"]
    return refreshes


def activities_since(client: ReadOnlyClient, name: str, since: datetime) -> Iterator[Answer]:
    """A group's activities that began at or after a moment, newest first. Pages are read only as far back as that."""
    doing = f"reading the scaling activities of {name}"
    # Some answers carry whole seconds only; an activity of that very second belongs to the moment.
    oldest = since.replace(microsecond=0)
    arguments = {"AutoScalingGroupName": name, "MaxRecords": PAGE}
    for page in _pages(client.describe_scaling_activities, doing, ACTIVITIES, **arguments):
        recent = [one for one in page["Activities"] if one["StartTime"] >= oldest]
        yield from recent
        if len(recent) < len(page["Activities"]):
            return


def _pages(call: Callable[..., Answer], doing: str, permission: str, **arguments: Any) -> Iterator[Answer]:
    token: dict[str, str] = {}
    while True:
        with provider_errors(doing, permission):
            page = call(**arguments, **token)
        yield page
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more groups"
