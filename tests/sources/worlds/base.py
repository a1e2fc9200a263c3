"""What every world of a metric source can do, so that one file of tests asks all sources the same.

A world is the other side of a source: a server on the loopback that answers as documented, or the real thing. Each
registered source has one in ``worlds/<name>_world.py``, the subclass of :class:`World` defined there, and
``test_source_contract.py`` finds it. A world holds one metric, as points by target, and misbehaves when it is told to.
What it cannot do, because the source has no such thing, stands in ``lacks`` with the reason.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

from setpoint.sources.contract import MetricConfig, Source

Ability = Literal["pages", "throttles", "fails", "denies", "says_partial", "hangs", "any_name", "unicode", "units"]
Points = Sequence[tuple[datetime, float]]
DAEMON = "world-"
"""How the names of a world's own threads begin: a source leaves none behind, a world may have some."""


class World(AbstractContextManager["World"], ABC):
    """One metric's points by target, and a source that reads them.

    It is made for one test, entered before use, and closed on leaving.
    """

    registered: ClassVar[str]
    """The source's registered name."""
    lacks: ClassVar[Mapping[Ability, str]] = {}
    """What the other side of this source cannot do, each with the reason."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End every thread and process of its own, and delete its files."""

    @abstractmethod
    def source(self, timeout_seconds: float = 30.0) -> Source:
        """The source, over a client of this world.

        :param timeout_seconds: how long it waits for the world to say something.
        """

    @abstractmethod
    def metric(self, **keys: Any) -> MetricConfig:
        """The metric this world holds, as a policy's section: period 1m and window 10m unless said otherwise.

        :param keys: ``period``, ``window``, ``settle`` and ``unit``, as in a policy.
        """

    @abstractmethod
    def put(self, points: Mapping[str, Points]) -> None:
        """Hold these points, each at the start of its period, instead of those before.

        A target with no points may be as good as unknown here.
        """

    def page(self, points: int) -> None:
        """``pages``: from now on answer with so many points at a time at most, for all targets together."""
        raise NotImplementedError

    def throttle(self, times: int) -> None:
        """``throttles``: refuse the next requests because they are too many."""
        raise NotImplementedError

    def fail(self, times: int) -> None:
        """``fails``: answer the next requests with an error of the server's own."""
        raise NotImplementedError

    def deny(self) -> None:
        """``denies``: from now on refuse the credentials, or whatever lets somebody read."""
        raise NotImplementedError

    def say_partial(self, target: str) -> None:
        """``says_partial``: from now on say that this target's series is not all there is (its points stay)."""
        raise NotImplementedError

    def hang(self) -> None:
        """``hangs``: from now on take each request and answer nothing, until the world ends."""
        raise NotImplementedError

    def wait_until_hanging(self, seconds: float) -> bool:
        """Whether a request is being held, waiting for that at most so long."""
        raise NotImplementedError

    def open_connections(self) -> int:
        """How many connections the source has to this world at the moment."""
        raise NotImplementedError


class WorldServer(ThreadingHTTPServer):
    """An HTTP server on an ephemeral port of the loopback that can hang, and counts its open connections.

    A handler calls :meth:`hold` before it answers.
    """

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._open = 0
        self._lock = threading.Lock()
        self._hanging = threading.Event()
        self._held = threading.Event()
        self._ended = threading.Event()
        self._serving = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, name=f"{DAEMON}server", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def open_connections(self) -> int:
        """Connections taken and not yet ended by the other side."""
        with self._lock:
            return self._open

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._hanging.set()

    def wait_until_hanging(self, seconds: float) -> bool:
        """Whether a request is being held, waiting for that at most so long."""
        return self._held.wait(seconds)

    def hold(self, handler: BaseHTTPRequestHandler) -> bool:
        """Return at once as a rule. While hanging, wait until the other side is gone or the world ends.

        :returns: whether to answer.
        """
        if not self._hanging.is_set():
            return True
        self._held.set()
        handler.connection.settimeout(0.05)
        while not self._ended.is_set():
            try:
                if not handler.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        handler.close_connection = True
        return False

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.shutdown()
        self._serving.join()
        self.server_close()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        threading.current_thread().name = f"{DAEMON}request"
        with self._lock:
            self._open += 1
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what some tests are about."""


class ServedWorld(World):
    """A world that is a server on the loopback.

    :param handler: answers its requests.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = WorldServer(handler)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def close(self) -> None:
        self._server.__exit__(None, None, None)

    def hang(self) -> None:
        self._server.hang()

    def wait_until_hanging(self, seconds: float) -> bool:
        return self._server.wait_until_hanging(seconds)

    def open_connections(self) -> int:
        return self._server.open_connections
