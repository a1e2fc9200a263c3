"""From an SQS queue to the ledger's inbox, for ever: what the inbox triggers of one queue share.

A message is deleted only after everything it caused is committed. A crash at any moment therefore loses nothing: the
message comes again and is known by its event's identity; and a wake-up that got lost is made up for by the sweep, which
looks for policies with events waiting when the stream starts and every half minute.

Two triggerers may read one queue. Each wakes the policies whose triggers it runs; the sweep wakes the others.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from setpoint.events.intake import event_kinds
from setpoint.events.queues import QueueRef
from setpoint.events.sweep import SweepSchedule
from setpoint.events.take_in import Inbox, Message, TakenIn, take_in
from setpoint.failpoints import reached
from setpoint.policy.loader import load_policies
from setpoint.settings import load_settings
from setpoint_airflow.hooks.queue import Received, SqsQueue, connect, what_to_do

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

log = structlog.get_logger("setpoint.inbox")


class ClosableInbox(Inbox, Protocol):
    """The ledger, as far as the stream needs it."""

    def close(self) -> None:
        """Give back the connections."""
        ...


@dataclass(frozen=True)
class WakeUp:
    """Policies that have events waiting."""

    policies: frozenset[str]
    reason: Literal["event", "sweep"]


@dataclass(frozen=True)
class Timings:
    """The stream's own clockwork, in seconds."""

    grace: float = 1.0
    """Before the first sweep, so that the triggers that start together are all there to be woken."""
    sweep_every: float = 30.0
    sweep_older_than: float = 15.0
    """An event younger than this is on its way already."""
    poll: int = 10
    """One long poll. SQS allows 20; but a poll that is cut off may hide a message until it is visible again."""
    visibility: int = 30
    """How long a received message stays hidden; taking it in takes milliseconds. After a crash it comes again."""
    backoff_first: float = 1.0
    backoff_most: float = 30.0


def open_default_ledger() -> ClosableInbox:
    """The deployment's ledger. Imported here, because the Dag files import this module's users."""
    from setpoint_airflow.ledger import open_ledger

    return open_ledger()


def current_policies() -> Sequence[Policy]:
    """The deployment's valid policies, as their files are now; an unchanged file is not read again."""
    return [one.policy for one in load_policies(load_settings().policies).policies]


class QueueStream:
    """One queue's messages into the inbox.

    :param queue: the queue as the policies name it.
    :param open_ledger: opens the ledger; called in a thread, again after it failed.
    :param policies: the policies as they are now; called in a thread for every batch.
    """

    def __init__(
        self,
        queue: QueueRef,
        *,
        open_ledger: Callable[[], ClosableInbox] = open_default_ledger,
        policies: Callable[[], Sequence[Policy]] = current_policies,
        timings: Timings = Timings(),
    ) -> None:
        self._queue = queue
        self._open_ledger = open_ledger
        self._policies = policies
        self._timings = timings
        self._schedule = SweepSchedule()
        self._next_sweep = 0.0
        self._swept = False
        self._ledger: ClosableInbox | None = None
        self._connection = AsyncExitStack()
        self._sqs: SqsQueue | None = None
        self._log = log.bind(queue=queue.queue, connection=queue.connection)

    async def wake_ups(self) -> AsyncGenerator[WakeUp, None]:
        """Read the queue and sweep, and say whom to wake. Ends only when it is closed or cancelled."""
        failures = 0
        await asyncio.sleep(self._timings.grace)
        try:
            while True:
                try:
                    # The sweep comes first and asks the ledger: while that is down, no message is received, so none
                    # uses up its receives and lands in the dead-letter queue.
                    if time.monotonic() >= self._next_sweep and (wake_up := await self._sweep()):
                        yield wake_up
                    if wake_up := await self._take_batch():
                        yield wake_up
                    failures = 0
                except Exception as error:  # noqa: BLE001  # the stream outlives the ledger's, SQS's and our own errors
                    failures += 1
                    await self._recover(error, failures)
        finally:
            await self._close()

    async def _sweep(self) -> WakeUp | None:
        if self._ledger is None:
            self._ledger = await asyncio.to_thread(self._open_ledger)
        older_than = datetime.now(UTC) - timedelta(seconds=self._timings.sweep_older_than) if self._swept else None
        waiting = await asyncio.to_thread(self._ledger.pending_policies, older_than)
        self._swept = True
        self._next_sweep = time.monotonic() + self._timings.sweep_every
        woken = self._schedule.due(waiting, time.monotonic())
        if not woken:
            return None
        self._log.info("policies have events waiting", policies=sorted(woken))
        return WakeUp(woken, "sweep")

    async def _take_batch(self) -> WakeUp | None:
        if self._sqs is None:
            self._sqs = await self._connection.enter_async_context(connect(self._queue))
            self._log.info("reading the queue", url=self._sqs.url)
        received = await self._sqs.receive(wait_seconds=self._timings.poll, visibility_seconds=self._timings.visibility)
        if not received:
            return None
        assert self._ledger is not None
        committed = await asyncio.to_thread(_commit, received, self._ledger, self._policies, self._queue, self._sqs.url)
        for reason in committed.taken.refused:
            self._log.warning("message rejected", message_id=reason.message_id, code=reason.code, text=reason.text)
        if committed.failed:
            self._log.error("messages could not be committed; they come again", errors=committed.failed)
        self._log.info(
            "messages taken in",
            received=len(received),
            accepted=committed.taken.accepted,
            duplicates=committed.taken.duplicates,
            unwanted=committed.taken.unwanted,
            rejected=len(committed.taken.refused),
        )
        await self._delete(committed.done)
        return WakeUp(committed.taken.woken, "event") if committed.taken.woken else None

    async def _delete(self, done: Sequence[Received]) -> None:
        assert self._sqs is not None
        try:
            left = await self._sqs.delete(done)
        except Exception as error:  # noqa: BLE001  # the events are committed: their policies must be woken all the same
            left = [f"{type(error).__name__}: {error}"]
        if left:
            self._log.warning("messages could not be deleted; they come again and are known", errors=left)

    async def _recover(self, error: Exception, failures: int) -> None:
        delay = min(self._timings.backoff_first * 2 ** min(failures - 1, 10), self._timings.backoff_most)
        delay *= random.uniform(0.5, 1)  # noqa: S311  # so that many streams do not come back at one moment
        self._log.error(
            "the queue cannot be taken in",
            error=f"{type(error).__name__}: {error}",
            todo=what_to_do(error, self._queue),
            failures_in_a_row=failures,
            again_in_seconds=round(delay, 1),
        )
        self._next_sweep = 0.0
        await self._disconnect()
        await asyncio.sleep(delay)

    async def _disconnect(self) -> None:
        connection, self._connection, self._sqs = self._connection, AsyncExitStack(), None
        try:
            await connection.aclose()
        except Exception as error:  # noqa: BLE001  # a connection that does not close is given up
            self._log.warning("the connection did not close", error=f"{type(error).__name__}: {error}")

    async def _close(self) -> None:
        await self._disconnect()
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)


@dataclass(frozen=True)
class _Committed:
    taken: TakenIn
    done: Sequence[Received]
    """The messages that may be deleted."""
    failed: tuple[str, ...] = ()


def _commit(
    received: Sequence[Received],
    ledger: Inbox,
    current: Callable[[], Sequence[Policy]],
    queue: QueueRef,
    source: str,
) -> _Committed:
    """Commit a batch; when that fails though the ledger answers, one by one: one bad message must not hold up ten."""
    reached("after_receive", queue.queue)
    kinds, policies, now = event_kinds(), current(), datetime.now(UTC)

    def take(batch: Sequence[Received]) -> TakenIn:
        messages = [Message(one.message_id, one.body) for one in batch]
        return take_in(messages, inbox=ledger, kinds=kinds, policies=policies, queue=queue, source=source, now=now)

    try:
        taken = take(received)
        reached("after_commit", queue.queue)
        return _Committed(taken, received)
    except Exception:
        if len(received) == 1:
            raise
        ledger.pending_policies()  # raises when it is the ledger that is down
    taken, done, failed = TakenIn.nothing(), [], []
    for one in received:
        try:
            taken += take([one])
            done.append(one)
        except Exception as error:  # noqa: BLE001  # this message stays in the queue; its redrive policy decides
            failed.append(f"{one.message_id}: {type(error).__name__}: {error}")
    return _Committed(taken, done, tuple(failed))
