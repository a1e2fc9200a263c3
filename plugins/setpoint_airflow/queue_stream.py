"""From a queue to the ledger's inbox, for ever: what the inbox triggers of one queue share.

A message is deleted only after everything it caused is committed. A crash at any moment therefore loses nothing: the
message comes again and is known by its receipt; and a wake-up that got lost is made up for by the sweep, which looks
for policies whose events wait though nobody is about to wake them.

Two tasks run beside each other. One reads the queue: with one long poll while little comes, with more calls at once
when much does, a hundred messages a transaction. The other looks every second which policies are to be woken now: those
whose debounce has ended, whose run left something, or whom another process left word for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from setpoint.events.queues import QueueRef
from setpoint.events.transport import MessageQueue, Received
from setpoint.policy.loader import load_policies
from setpoint.settings import load_settings
from setpoint_airflow.queue_commit import AnsweringInbox, Committed, Counter
from setpoint_airflow.queues import QUEUES

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

log = structlog.get_logger("setpoint.inbox")

MAX_MESSAGES = 100
"""Messages in one transaction."""
MAX_BYTES = 4 * 1024 * 1024
"""Characters of messages that are waited for beyond the first call's: what a burst may take of the memory."""
_UNREAD_WAKE_UPS = 64


class StreamLedger(AnsweringInbox, Protocol):
    """The ledger, as far as the stream needs it."""

    def claim_wakes(self, listening: Collection[str] | None, now: datetime) -> frozenset[str]: ...
    def find_overdue(self, now: datetime, received_before: datetime, *, starting: bool) -> tuple[str, ...]: ...
    def close_aged(self, now: datetime) -> int: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class WakeUp:
    """Policies that have events waiting."""

    policies: frozenset[str]
    reason: Literal["event", "due", "sweep"]
    """Something came for them; it is time for what came before; or a wake-up seems to be lost."""


@dataclass(frozen=True)
class Timings:
    """The stream's own clockwork, in seconds."""

    grace: float = 1.0
    """Before the first look, so that the triggers that start together are all there to be woken."""
    tick: float = 1.0
    """Between two looks at who is to be woken now."""
    sweep_every: float = 30.0
    sweep_older_than: float = 15.0
    """An event younger than this is on its way already."""
    poll: int = 10
    """One long poll. SQS allows 20; but a poll that is cut off may hide a message until it is visible again."""
    visibility: int = 30
    """How long a received message stays hidden; taking it in takes milliseconds. After a crash it comes again."""
    backoff_first: float = 1.0
    backoff_most: float = 30.0


def open_default_ledger() -> StreamLedger:
    """The deployment's ledger. Imported here, because the Dag files import this module's users."""
    from setpoint_airflow.ledger import open_ledger

    return open_ledger()


def current_policies() -> Sequence[Policy]:
    """The deployment's valid policies, as their files are now; an unchanged file is not read again."""
    return [one.policy for one in load_policies(load_settings().policies).policies]


class QueueStream:
    """One queue's messages into the inbox.

    :param queue: the queue as the policies name it; ``None`` reads none, and only looks who is to be woken.
    :param open_ledger: opens the ledger; called in a thread, again after it failed.
    :param policies: the policies as they are now; called in a thread for every batch.
    :param listeners: the policies that can be woken here, as it is now; ``None`` for all.
    """

    def __init__(
        self,
        queue: QueueRef | None,
        *,
        open_ledger: Callable[[], StreamLedger] = open_default_ledger,
        policies: Callable[[], Sequence[Policy]] = current_policies,
        listeners: Callable[[], Collection[str] | None] = lambda: None,
        timings: Timings = Timings(),
    ) -> None:
        self._queue = queue
        self._open_ledger = open_ledger
        self._policies = policies
        self._listeners = listeners
        self._timings = timings
        self._opening = asyncio.Lock()
        self._ledger: StreamLedger | None = None
        self._connection = AsyncExitStack()
        self._connected: MessageQueue | None = None
        self._wake_ups: asyncio.Queue[WakeUp] = asyncio.Queue(_UNREAD_WAKE_UPS)
        self._log = log.bind(queue=queue.queue, connection=queue.connection) if queue else log

    async def wake_ups(self) -> AsyncGenerator[WakeUp, None]:
        """Read the queue and the ledger, and say whom to wake. Ends only when it is closed or cancelled."""
        await asyncio.sleep(self._timings.grace)
        working = [asyncio.create_task(self._look())]
        if self._queue is not None:
            working.append(asyncio.create_task(self._read(self._queue)))
        try:
            while True:
                next_one = asyncio.create_task(self._wake_ups.get())
                try:
                    await asyncio.wait([next_one, *working], return_when=asyncio.FIRST_COMPLETED)
                    for task in working:
                        if task.done():  # which they never are, short of a bug: then the trigger starts anew
                            task.result()
                    yield await next_one
                finally:
                    next_one.cancel()
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await self._close()

    async def _read(self, named: QueueRef) -> None:
        failures = 0
        while True:
            try:
                ledger = await self._ready_ledger()
                if failures:
                    # While the ledger is down no message is received, so none uses up its receives and lands in the
                    # dead-letter queue.
                    await asyncio.to_thread(ledger.pending_policies)
                queue = await self._ready_queue(named)
                if received := await self._receive(queue):
                    await self._take(named, queue, ledger, received)
                failures = 0
            except Exception as error:  # noqa: BLE001  # the stream outlives the ledger's, the queue's and our own errors
                failures += 1
                await self._recover(named, error, failures)

    async def _look(self) -> None:
        failures, next_sweep, starting = 0, 0.0, True
        while True:
            try:
                ledger, overdue = await self._ready_ledger(), False
                if time.monotonic() >= next_sweep:
                    overdue = await asyncio.to_thread(self._sweep, ledger, starting)
                    next_sweep, starting = time.monotonic() + self._timings.sweep_every, False
                due = await asyncio.to_thread(ledger.claim_wakes, self._listeners(), datetime.now(UTC))
                if due:
                    self._log.info("policies have events waiting", policies=sorted(due), lost=overdue)
                    await self._wake_ups.put(WakeUp(due, "sweep" if overdue else "due"))
                failures = 0
                await asyncio.sleep(min(self._timings.tick, self._timings.sweep_every))
            except Exception as error:  # noqa: BLE001  # the ledger's errors, and our own
                failures += 1
                self._log.error("nobody can be woken again", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(self._delay(failures))

    def _sweep(self, ledger: StreamLedger, starting: bool) -> bool:
        now = datetime.now(UTC)
        ledger.close_aged(now)
        settled = timedelta(0) if starting else timedelta(seconds=self._timings.sweep_older_than)
        return bool(ledger.find_overdue(now, now - settled, starting=starting))

    async def _receive(self, queue: MessageQueue) -> list[Received]:
        """What one long poll brings; when that is as much as it can, what some calls more at once bring too."""
        hidden = self._timings.visibility
        received = await queue.receive(wait_seconds=self._timings.poll, visibility_seconds=hidden)
        size = sum(len(one.body) for one in received)
        if len(received) < 10 or size >= MAX_BYTES:
            return received
        calls = min(MAX_MESSAGES // len(received), MAX_BYTES // max(size, 1)) - 1
        more = await asyncio.gather(
            *(queue.receive(wait_seconds=0, visibility_seconds=hidden) for _ in range(calls)), return_exceptions=True
        )
        for one in more:
            if isinstance(one, BaseException):
                # What has been received is not given up for it; the next long poll fails too, if that is how it is.
                self._log.warning("a call for more messages failed", error=f"{type(one).__name__}: {one}")
            else:
                received += one
        return received

    async def _take(
        self, named: QueueRef, queue: MessageQueue, ledger: StreamLedger, received: Sequence[Received]
    ) -> None:
        counter = Counter(ledger, named, queue.url, self._policies, load_settings().dedupe_window)
        committed = await asyncio.to_thread(counter.commit, received, self._listeners())
        if committed.taken.woken:
            await self._wake_ups.put(WakeUp(committed.taken.woken, "event"))
        await self._delete(queue, committed.done)
        self._tell(received, committed)

    def _tell(self, received: Sequence[Received], committed: Committed) -> None:
        taken = committed.taken
        for reason in taken.refused:
            self._log.warning("message rejected", message_id=reason.message_id, code=reason.code, text=reason.text)
        if committed.failed:
            self._log.error("messages could not be committed; they come again", errors=committed.failed)
        self._log.info(
            "messages taken in",
            received=len(received),
            accepted=taken.accepted,
            duplicates=taken.duplicates,
            unwanted=taken.unwanted,
            rejected=len(taken.refused),
            control=taken.control,
            came_before=taken.repeated,
        )

    async def _delete(self, queue: MessageQueue, done: Sequence[Received]) -> None:
        if not done:
            return
        try:
            left = await queue.delete(done)
        except Exception as error:  # noqa: BLE001  # the events are committed; the messages come again and are known
            left = [f"{type(error).__name__}: {error}"]
        if left:
            self._log.warning("messages could not be deleted; they come again and are known", errors=left)

    async def _ready_ledger(self) -> StreamLedger:
        async with self._opening:
            if self._ledger is None:
                self._ledger = await asyncio.to_thread(self._open_ledger)
            return self._ledger

    async def _ready_queue(self, named: QueueRef) -> MessageQueue:
        if self._connected is None:
            kind = await asyncio.to_thread(QUEUES.load, named.transport)
            connected: MessageQueue = await self._connection.enter_async_context(kind.open(named))
            self._connected = connected
            self._log.info("reading the queue", url=connected.url)
        return self._connected

    async def _recover(self, named: QueueRef, error: Exception, failures: int) -> None:
        delay = self._delay(failures)
        self._log.error(
            "the queue cannot be taken in",
            error=f"{type(error).__name__}: {error}",
            todo=_advice(named, error),
            failures_in_a_row=failures,
            again_in_seconds=round(delay, 1),
        )
        await self._disconnect()
        await asyncio.sleep(delay)

    def _delay(self, failures: int) -> float:
        delay = min(self._timings.backoff_first * 2 ** min(failures - 1, 10), self._timings.backoff_most)
        return float(delay * random.uniform(0.5, 1))  # noqa: S311  # so that many streams do not come back at one moment

    async def _disconnect(self) -> None:
        connection, self._connection, self._connected = self._connection, AsyncExitStack(), None
        try:
            await connection.aclose()
        except Exception as error:  # noqa: BLE001  # a connection that does not close is given up
            self._log.warning("the connection did not close", error=f"{type(error).__name__}: {error}")

    async def _close(self) -> None:
        await self._disconnect()
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)


def _advice(queue: QueueRef, error: Exception) -> str:
    try:
        return str(QUEUES.load(queue.transport).advice(error, queue))
    except (LookupError, ImportError) as unknown:
        return str(unknown)
