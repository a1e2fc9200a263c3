"""Making GetMetricData calls: side by side, at a pace, tried again where that helps, and ended when nobody waits."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from setpoint.aws_errors import advice, error_code, handling_of
from setpoint.sources.cloudwatch_pace import Pace
from setpoint.sources.cloudwatch_queries import Call
from setpoint.sources.cloudwatch_sockets import OpenSockets
from setpoint.sources.contract import SourceError

if TYPE_CHECKING:
    from setpoint.sources.cloudwatch_page import Page

T = TypeVar("T")
MOST_PAGES = 1_000
"""Pages of one call; an answer that goes on longer never ends."""
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.2
_LOST_SECONDS = 5.0
_NUMBER = itertools.count(1)
_LONGEST_PAUSE_SECONDS = 10.0
_OPERATION = "cloudwatch.GetMetricData"


class Stopped(Exception):
    """Nobody waits for the answer any more."""


class Calls:
    """Makes calls through one client.

    Each request goes out once as far as botocore is concerned: it is tried again here, as often as the client's own
    configuration says (``total_max_attempts``), so that a pause can end early and a refusal slows all calls down.

    :param client: a boto3 ``cloudwatch`` client.
    :param at_once: calls under way at most.
    :param permissions: what an error says is needed.
    """

    def __init__(self, client: Any, *, at_once: int, permissions: tuple[str, ...], pace: Pace | None = None) -> None:
        from setpoint.sources.cloudwatch_page import read_as_columns
        from setpoint.sources.cloudwatch_written import send_as_written

        self._client = client
        self._at_once = at_once
        self._permissions = permissions
        self._pace = pace or Pace()
        self._stop = threading.Event()
        self._sockets = OpenSockets.of(client)
        retries = client.meta.config.retries or {}
        self._attempts = int(retries.get("total_max_attempts") or _ATTEMPTS)
        read_as_columns(client)
        send_as_written(client)
        client.meta.events.register_first(f"needs-retry.{_OPERATION}", _never, unique_id="setpoint-retries")

    def each(self, calls: Sequence[Call], make: Callable[[Call, Iterator[Page]], T]) -> list[T]:
        """Make some calls, and what ``make`` makes of each one's pages, in their order.

        Returns only when no call is under way any more, whatever happens.

        :raises SourceError: one of them failed; the others were ended.
        """
        self._stop.clear()
        if len(calls) <= 1:
            with self._ending_all():
                return [make(call, self.pages(call)) for call in calls]
        prefix = f"cloudwatch-{next(_NUMBER)}"
        pool = ThreadPoolExecutor(min(self._at_once, len(calls)), thread_name_prefix=prefix)
        pending: list[Future[T]] = []
        try:
            with self._ending_all():
                for call in calls:  # one by one: an interrupt in between must not lose those that are under way
                    pending.append(pool.submit(lambda call: make(call, self.pages(call)), call))
                wait(pending, return_when=FIRST_EXCEPTION)
                return [one.result() for one in _failed_first(pending)]
        finally:
            while self._stop.is_set() and wait(pending, timeout=0.05).not_done:
                # Again and again: a thread may have been about to connect when the others were ended.
                for one in pending:
                    one.cancel()
                self._sockets.shut()
            pool.shutdown(wait=True, cancel_futures=True)
            if self._stop.is_set():
                _wait_for_threads(prefix)

    @contextmanager
    def _ending_all(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # The border of a fetch, left in one piece: also by what Airflow raises at a task's time limit, which is no
            # Exception. It goes on as it came.
            self._stop.set()
            self._sockets.shut()
            raise

    def pages(self, call: Call) -> Iterator[Page]:
        """The pages of one call.

        :raises SourceError: CloudWatch could not be asked, or its pages never end.
        """
        request, tokens = call.request(), set[str]()
        for _ in range(MOST_PAGES):
            page = self._page(request, call)
            yield page
            if page.token is None:
                return
            if page.token in tokens:
                break
            tokens.add(page.token)
            request["NextToken"] = page.token
        raise SourceError(
            f"{call}: its pages never end ({len(tokens)} so far; a NextToken came twice, or there are too many).",
            retryable=True,
        )

    def _page(self, request: dict[str, Any], call: Call) -> Page:
        for attempt in range(1, self._attempts + 1):
            self._wait(self._turn(call))
            try:
                return self._once(request, call, last=attempt == self._attempts)
            except _TryAgainError:
                longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
                # At random, so that callers refused together do not come back together.
                self._wait(random.uniform(longest / 2, longest))  # noqa: S311
        raise AssertionError("the last attempt either answers or raises")

    def _once(self, request: dict[str, Any], call: Call, *, last: bool) -> Page:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        from setpoint.sources.cloudwatch_page import page_of

        try:
            answer = self._client.get_metric_data(**request)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            if self._stop.is_set():
                raise Stopped from error
            handling = handling_of(error)
            if handling.kind == "throttling":
                self._pace.throttled()
            if handling.retryable and not last:
                raise _TryAgainError from error
            text = f"{self._what(call, error)} {advice(handling, self._permissions)}"
            raise SourceError(text, retryable=handling.retryable) from error
        self._pace.answered()
        return page_of(answer)

    def _what(self, call: Call, error: Exception) -> str:
        from botocore.exceptions import ClientError

        meta = self._client.meta
        if isinstance(error, ClientError):
            return f"{call} in {meta.region_name}: {handling_of(error).kind} error {error_code(error)}: {error}."
        return f"{call}: no usable answer from {meta.endpoint_url}: {error}."

    def _turn(self, call: Call) -> float:
        return self._pace.seconds_before(
            call.points,
            selected=call.selected,
            reaching_back=datetime.now(UTC) - call.window.start,
        )

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds) if seconds > 0 else self._stop.is_set():
            raise Stopped


class _TryAgainError(Exception):
    """The same request may be answered the next time."""


def _wait_for_threads(prefix: str) -> None:
    """Wait for a thread the pool does not know: an interrupt came between its start and the pool's note of it."""
    ends = time.monotonic() + _LOST_SECONDS
    while any(one.name.startswith(f"{prefix}_") for one in threading.enumerate()) and time.monotonic() < ends:
        time.sleep(0.005)


def _failed_first(pending: list[Future[T]]) -> list[Future[T]]:
    """The calls in their order; only the one that failed, where one did."""
    return [one for one in pending if one.done() and one.exception() is not None][:1] or pending


def _never(**_: Any) -> bool:
    """What botocore is told when it asks whether to send a request again."""
    return False
