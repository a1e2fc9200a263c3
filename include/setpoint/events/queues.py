"""Where a policy's events come in, queue or webhook, and when two ways of naming a queue mean the same one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from setpoint.events.contract import EventConfig
from setpoint.model.base import Value

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

_AWS_HOST = re.compile(r"\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


class QueueRef(Value):
    """A queue as a policy names it: by name or URL, read with the connection and region of the policy's targets."""

    connection: str
    region: str | None = None
    queue: str

    @property
    def is_url(self) -> bool:
        return self.queue.startswith(("https://", "http://"))

    @property
    def transport(self) -> str:
        """The scheme of a queue that is not SQS's, ``kafka`` of ``kafka://events``; ``sqs`` otherwise."""
        scheme, separator, _ = self.queue.partition("://")
        return scheme if separator and not self.is_url else "sqs"

    @property
    def name(self) -> str:
        """The queue's own name: the URL's last part when it is named by URL."""
        return self.queue.rstrip("/").rpartition("/")[2] if self.is_url else self.queue

    def same_queue(self, other: QueueRef | WebhookRef) -> bool:
        """Whether both name one queue, as far as can be told without asking AWS.

        Two URLs do when account and name agree, and the region when both are AWS's own: each region has its own queue
        of a name, while another endpoint (a VPC's, FIPS, one that stands in for AWS) may lead to the same. A name does
        when it is looked up with the same connection and the regions do not differ: the same name with another
        connection may be another account's queue, and a message from there is not for this policy.
        """
        if isinstance(other, WebhookRef):
            return False
        if self.transport != "sqs" or other.transport != "sqs":
            return (self.queue, self.connection) == (other.queue, other.connection)
        if self.is_url and other.is_url:
            regions = {_url_region(self.queue), _url_region(other.queue)} - {None}
            same_path = urlsplit(self.queue).path.rstrip("/") == urlsplit(other.queue).path.rstrip("/")
            return same_path and len(regions) < 2
        regions_differ = self.region is not None and other.region is not None and self.region != other.region
        return self.name == other.name and self.connection == other.connection and not regions_differ


class WebhookRef(Value):
    """A sender of the webhook, as a policy names it; its messages reach the policies that name it, and no others."""

    sender: str

    def same_queue(self, other: QueueRef | WebhookRef) -> bool:
        return self == other


Origin = QueueRef | WebhookRef
"""Where a message came from, as policies name it."""


def _url_region(url: str) -> str | None:
    """The region of a queue's URL; ``None`` when the host is not AWS's. A host of AWS without one stands for itself.

    Hosts: https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
    """
    host = urlsplit(url).hostname or ""
    if not _AWS_HOST.search(host):
        return None
    if host == "queue.amazonaws.com":  # the oldest endpoint, from when there was one region
        return "us-east-1"
    return next((label for label in host.split(".") if _REGION.fullmatch(label)), host)


def listens(policy: Policy) -> Iterator[tuple[Origin, EventConfig]]:
    """A policy's event triggers, each with the queue, or the webhook's sender, that it listens to."""
    for trigger in policy.triggers.events:
        if trigger.webhook is not None:
            yield WebhookRef(sender=trigger.webhook), trigger
        elif trigger.queue is not None:
            targets = policy.targets
            yield QueueRef(connection=targets.connection, region=targets.region, queue=trigger.queue), trigger


def queues_of(policy: Policy) -> tuple[QueueRef, ...]:
    """The distinct queues a policy listens on, in the policy's order."""
    return tuple(dict.fromkeys(origin for origin, _ in listens(policy) if isinstance(origin, QueueRef)))


def senders_of(policy: Policy) -> tuple[str, ...]:
    """The distinct senders of the webhook a policy listens to, in the policy's order."""
    return tuple(dict.fromkeys(origin.sender for origin, _ in listens(policy) if isinstance(origin, WebhookRef)))
