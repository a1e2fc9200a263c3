"""A queue in memory that keeps the contract of a transport, for tests of what reads queues."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Self

from setpoint.events.queues import QueueRef
from setpoint.events.transport import Received

_LOOK_SECONDS = 0.01


@dataclass
class _Held:
    """A message, and how it stands."""

    message_id: str
    body: str
    group: str | None
    sent_at: datetime
    visible_at: float = 0.0
    deliveries: int = 0
    receipt: str = ""


@dataclass
class Shelf:
    """What is in one queue. Nothing is forgotten when readers come and go.

    :param most: messages in one answer.
    """

    messages: list[_Held] = field(default_factory=list)
    most: int = 10
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def send(self, body: str, *, group: str | None = None) -> str:
        """Put a message in.

        :param group: keeps the messages of a group in order.
        :returns: its id.
        """
        message_id = f"message-{next(self._numbers)}"
        self.messages.append(_Held(message_id, body, group, datetime.now(UTC)))
        return message_id

    def take(self, visibility_seconds: float) -> list[Received]:
        """Some visible messages, hidden from now on; of a group none behind a hidden one."""
        now, taken, blocked = time.monotonic(), list[Received](), set[str]()
        for one in self.messages:
            if one.visible_at > now or one.group in blocked:
                blocked.update([one.group] if one.group is not None else [])
                continue
            if len(taken) == self.most:
                break
            one.visible_at, one.deliveries = now + visibility_seconds, one.deliveries + 1
            one.receipt = f"{one.message_id}/{one.deliveries}"
            taken.append(
                Received(
                    message_id=one.message_id,
                    body=one.body,
                    receipt=one.receipt,
                    sent_at=one.sent_at,
                    deliveries=one.deliveries,
                    group=one.group,
                )
            )
        return taken


class MemoryQueue:
    """A transport whose queues are in this process; ``memory://name``."""

    PERMISSIONS: ClassVar[tuple[str, ...]] = ()
    SHELVES: ClassVar[dict[str, Shelf]] = {}
    """What is in the queues, by name; a test puts its own there."""

    def __init__(self, url: str, shelf: Shelf) -> None:
        self._url = url
        self._shelf = shelf

    @property
    def url(self) -> str:
        return self._url

    @classmethod
    @asynccontextmanager
    async def open(cls, queue: QueueRef) -> AsyncIterator[Self]:
        """:raises LookupError: there is no such queue."""
        if queue.queue not in cls.SHELVES:
            raise LookupError(f"there is no queue {queue.queue}")
        yield cls(queue.queue, cls.SHELVES[queue.queue])

    async def receive(self, *, wait_seconds: int, visibility_seconds: int) -> list[Received]:
        deadline = time.monotonic() + wait_seconds
        while not (taken := self._shelf.take(visibility_seconds)) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        return taken

    async def delete(self, received: Sequence[Received]) -> list[str]:
        receipts = {one.receipt for one in received}
        known = {one.receipt for one in self._shelf.messages}
        self._shelf.messages[:] = [one for one in self._shelf.messages if one.receipt not in receipts]
        return [f"{one.message_id}: delivered again meanwhile" for one in received if one.receipt not in known]

    @staticmethod
    def advice(error: BaseException, queue: QueueRef) -> str:
        return f"put a shelf for {queue.queue} into MemoryQueue.SHELVES"
