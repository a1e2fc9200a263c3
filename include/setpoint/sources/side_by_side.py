"""Doing several slow things side by side, with an end: by a deadline, by an error, by an interrupt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from setpoint.sources.contract import SourceError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Patience:
    """Says whether there is still use in going on. Called between the steps of anything slow.

    :param seconds: how long all of it may take.
    :param what: names it in the error.
    """

    def __init__(self, seconds: float, what: str) -> None:
        self._ends, self._seconds, self._what = time.monotonic() + seconds, seconds, what
        self._stopped = threading.Event()

    def __call__(self) -> None:
        """:raises SourceError: the time is up, or somebody stopped it; it may be tried again."""
        if self._stopped.is_set():
            raise SourceError(f"{self._what}: stopped", retryable=True)
        if time.monotonic() > self._ends:
            raise SourceError(f"{self._what}: not done after {self._seconds:g} s", retryable=True)

    @property
    def seconds_left(self) -> float:
        """At least 0."""
        return max(0.0, self._ends - time.monotonic())

    def stop(self) -> None:
        """Let whatever asks next stop."""
        self._stopped.set()


def side_by_side(
    items: Sequence[Item],
    do: Callable[[Item], Result],
    *,
    at_once: int,
    patience: Patience,
    name: str,
    end: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """What ``do`` makes of each item, in the items' order, with a few under way and finished ones not piling up.

    When ``do`` raises, or whoever consumes this is interrupted, nothing new is begun, and what is under way is told to
    stop.

    :param at_once: how many are under way.
    :param end: ends what is under way at once; then this waits until it has, and leaves no thread. Without it the
        threads end at their next step, and are not waited for.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix=name)
    pending: list[Future[Result]] = []
    try:
        for item in items:
            pending.append(pool.submit(do, item))
            if len(pending) >= 2 * at_once:
                yield pending[0].result()
                pending.pop(0)
        while pending:
            yield pending[0].result()
            pending.pop(0)
    finally:
        # Reached also by an error, by an interrupt, and when the consumer does not go on.
        if pending:
            patience.stop()
            for one in pending:
                one.cancel()
            while end is not None and wait(pending, timeout=0.05).not_done:
                end()  # again and again: a thread may have been about to connect
        pool.shutdown(wait=end is not None or not pending, cancel_futures=True)
