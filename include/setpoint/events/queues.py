"""Which queue a policy listens on, and when two ways of naming a queue mean the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from setpoint.events.contract import EventConfig
from setpoint.model.base import Value

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


class QueueRef(Value):
    """A queue as a policy names it: by name or URL, read with the connection and region of the policy's targets."""

    connection: str
    region: str | None = None
    queue: str

    @property
    def is_url(self) -> bool:
        return self.queue.startswith(("https://", "http://"))

    @property
    def name(self) -> str:
        """The queue's own name: the URL's last part when it is named by URL."""
        return self.queue.rstrip("/").rpartition("/")[2] if self.is_url else self.queue

    def same_queue(self, other: QueueRef) -> bool:
        """Whether both name one queue, as far as can be told without asking AWS.

        Two URLs do when account and name agree. A name does when it is looked up with the same connection and the
        regions do not differ: the same name with another connection may be another account's queue, and a message from
        there is not for this policy.
        """
        if self.is_url and other.is_url:
            return urlsplit(self.queue).path.rstrip("/") == urlsplit(other.queue).path.rstrip("/")
        regions_differ = self.region is not None and other.region is not None and self.region != other.region
        return self.name == other.name and self.connection == other.connection and not regions_differ


def listens(policy: Policy) -> Iterator[tuple[QueueRef, EventConfig]]:
    """A policy's event triggers, each with the queue it listens on."""
    for trigger in policy.triggers.events:
        yield (
            QueueRef(connection=policy.targets.connection, region=policy.targets.region, queue=trigger.queue),
            trigger,
        )


def queues_of(policy: Policy) -> tuple[QueueRef, ...]:
    """The distinct queues a policy listens on, in the policy's order."""
    return tuple(dict.fromkeys(queue for queue, _ in listens(policy)))
