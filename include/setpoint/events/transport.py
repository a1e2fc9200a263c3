"""What the intake needs of a queue, whatever transport it belongs to: SQS, and whatever another file adds.

A policy names a queue of another transport with its scheme, ``kafka://events``; without one, or with an ``https`` URL,
it is SQS. The implementations are registered in :mod:`setpoint_airflow.queues` and under the entry point
``setpoint.queues``, by scheme.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol, Self

from setpoint.events.queues import QueueRef


@dataclass(frozen=True)
class Received:
    """A message, and the handle that deletes it.

    :param message_id: the transport's own id: the same message delivered again has the same one.
    :param receipt: deletes this delivery of it.
    :param sent_at: when the transport got it.
    :param deliveries: how often it was delivered, this time included.
    :param group: messages of one group are in order; ``None`` where there is no order.
    :param identity: what the sender says the message's identity is; ``None`` when it says nothing.
    """

    message_id: str
    body: str
    receipt: str
    sent_at: datetime | None = None
    deliveries: int = 1
    group: str | None = None
    identity: str | None = None


class MessageQueue(Protocol):
    """A queue that is connected. It delivers each message at least once, until it is deleted."""

    PERMISSIONS: ClassVar[tuple[str, ...]]
    """The least privileges that reading a queue needs."""

    @property
    def url(self) -> str:
        """The queue's full name: what its messages' receipts say they came from."""
        ...

    @classmethod
    def open(cls, queue: QueueRef) -> AbstractAsyncContextManager[Self]:
        """Connect with the queue's Airflow connection.

        :raises Exception: it cannot be reached; :meth:`advice` says what to do.
        """
        ...

    async def receive(self, *, wait_seconds: int, visibility_seconds: int) -> list[Received]:
        """Some messages, in order where there is one; empty when there were none for ``wait_seconds``.

        :param wait_seconds: at most 20; 0 does not wait.
        :param visibility_seconds: how long nobody else gets them. Not deleted by then, they are delivered again.
        """
        ...

    async def delete(self, received: Sequence[Received]) -> list[str]:
        """Delete messages.

        :returns: for each message that was not deleted, why; it is delivered again.
        """
        ...

    @staticmethod
    def advice(error: BaseException, queue: QueueRef) -> str:
        """What a person can do about an error of :meth:`open`, :meth:`receive` or :meth:`delete`."""
        ...
