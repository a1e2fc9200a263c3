"""A batch of received messages into the ledger: all at once, or, when one of them cannot, each for itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from setpoint.events.intake import event_kinds
from setpoint.events.queues import QueueRef
from setpoint.events.take_in import Inbox, Message, TakenIn, set_aside, take_in
from setpoint.events.transport import Received
from setpoint.failpoints import reached

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

MAX_DELIVERIES = 3
"""Times a message is delivered that the ledger cannot take though it takes others; then it goes to the rejects."""


class AnsweringInbox(Inbox, Protocol):
    """An inbox that can be asked whether it answers at all."""

    def pending_policies(self, older_than: datetime | None = None) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Committed:
    """What came of a batch."""

    taken: TakenIn
    done: Sequence[Received]
    """The messages that may be deleted."""
    failed: tuple[str, ...] = ()
    """What each message fails with that may not; it comes again."""


@dataclass(frozen=True)
class Counter:
    """Where a queue's messages are taken in.

    :param queue: the queue as the policies name it.
    :param source: its full name.
    :param policies: the policies as they are now; called for every batch.
    :param window: how long an event's identity is remembered.
    """

    ledger: AnsweringInbox
    queue: QueueRef
    source: str
    policies: Callable[[], Sequence[Policy]]
    window: timedelta

    def commit(self, received: Sequence[Received], listening: Collection[str] | None) -> Committed:
        """Commit a batch in one transaction.

        When that fails though the ledger answers, message by message: one bad message must not hold up a hundred. What
        follows a bad one in its group waits with it, because the group has an order.

        :raises Exception: the ledger does not answer; nothing is committed.
        """
        reached("after_receive", self.queue.queue)
        try:
            taken = self._take(received, listening)
        except Exception:  # noqa: BLE001  # what failed is found out message by message
            self.ledger.pending_policies()  # raises when it is the ledger that is down
        else:
            reached("after_commit", self.queue.queue)
            return Committed(taken, received)
        taken, done, failed, held = TakenIn.nothing(), [], [], set()
        for one in received:
            if one.group is not None and one.group in held:
                continue
            try:
                taken += self._take_one(one, listening)
                done.append(one)
            except Exception as error:  # noqa: BLE001  # this message stays in the queue; its redrive policy decides
                failed.append(f"{one.message_id}: {type(error).__name__}: {error}")
                held.add(one.group)
        return Committed(taken, done, tuple(failed))

    def _take(self, received: Sequence[Received], listening: Collection[str] | None) -> TakenIn:
        return take_in(
            [_message(one) for one in received],
            inbox=self.ledger,
            kinds=event_kinds(),
            policies=self.policies(),
            queue=self.queue,
            source=self.source,
            now=datetime.now(UTC),
            window=self.window,
            listening=listening,
        )

    def _take_one(self, one: Received, listening: Collection[str] | None) -> TakenIn:
        try:
            return self._take([one], listening)
        except Exception as error:  # the border of one message: it goes on as it came, or is what the reject tells
            if one.deliveries < MAX_DELIVERIES:
                raise
            refused = set_aside(
                _message(one),
                inbox=self.ledger,
                queue=self.queue,
                source=self.source,
                error=error,
                deliveries=one.deliveries,
                now=datetime.now(UTC),
            )
            return TakenIn(refused=(refused,))


def _message(received: Received) -> Message:
    return Message(received.message_id, received.body, sent_at=received.sent_at, identity=received.identity)
