"""SQS queues that bear a storm.

moto looks at every message of a queue, several times, for each message that is sent, received or deleted: a queue with
a thousand messages takes seconds for a call. And it is a race: a message that is sent while another one is deleted may
be lost, and two calls at once may both be given one. These queues answer the same, in one look, one call after another.
"""

from __future__ import annotations

import time
from importlib import import_module
from threading import RLock
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend


class LabQueue(Queue):
    """A queue whose counts cost one look at the clock, and whose messages come and go one call at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.taking = RLock()
        """Held while messages are given out or deleted."""
        super().__init__(*args, **kwargs)

    @property
    def messages(self) -> list[Message]:
        now = unix_time_millis()
        return [one for one in list(self._messages) if now > one.visible_at and now >= one.delayed_until]

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        now = unix_time_millis()
        return sum(now < one.delayed_until for one in list(self._messages))

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        now = unix_time_millis()
        return sum(now <= one.visible_at for one in list(self._messages))

    def delete_message(self, receipt_handle: str) -> None:
        with self.taking:
            if receipt_handle in self.deleted_messages:
                return
            found = next((one for one in self._messages if one.had_receipt_handle(receipt_handle)), None)
            if found is None:
                raise ReceiptHandleIsInvalid()
            self.pending_messages.discard(found)
            self.deleted_messages.update(handle for handle in found.all_receipt_handles if handle)
            # In place: another list would miss what is sent right now.
            self._messages.remove(found)


class LabSqsBackend(SQSBackend):
    """Gives each message to one call only."""

    @property
    def _url_module(self) -> Any:
        # moto derives it from the name of the class's module, which is moto's own no more.
        return import_module("moto.sqs.urls")

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        queue = self.get_queue(queue_name)
        deadline = time.monotonic() + wait_seconds_timeout
        while True:
            with queue.taking:
                found: list[Message] = super().receive_message(
                    queue_name, count, 0, visibility_timeout, message_attribute_names
                )
            if found or time.monotonic() >= deadline:
                return found
            queue.wait_for_messages(1)
