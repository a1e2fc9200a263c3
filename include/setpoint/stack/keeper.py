"""Restarts what has died, as an init system does."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

from setpoint.stack.local import LocalStack
from setpoint.stack.processes import end_sessions

_POLL_SECONDS = 0.1


class Keeper:
    """Keeps a stack's components running while the block runs.

    What systemd does with ``Restart=always`` and its default ``KillMode=control-group``, and what Docker and Kubernetes
    do with a container: when a component's main process has ended, whatever it started is ended too, and after a pause
    the component is started again.
    """

    def __init__(self, stack: LocalStack, *, pause_seconds: float = 1.0) -> None:
        """:param pause_seconds: between an end and the new start."""
        self.restarts: Counter[str] = Counter()
        """How often each component was started again."""
        self._stack = stack
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="stack-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def require_working(self) -> None:
        """:raises RuntimeError: something kept a component from being started again."""
        if self._failure is not None:
            raise RuntimeError("a component could not be started again") from self._failure

    def _run(self) -> None:
        try:
            while not self._stop.wait(_POLL_SECONDS):
                for name, component in list(self._stack.components.items()):
                    if component.ended:
                        self._start_again(name)
        except Exception as failure:  # noqa: BLE001  # the thread's boundary; the owner asks require_working()
            self._failure = failure

    def _start_again(self, name: str) -> None:
        end_sessions([self._stack.components[name].session], grace_seconds=0)
        deadline = time.monotonic() + self._pause_seconds
        while time.monotonic() < deadline:
            if self._stop.wait(_POLL_SECONDS):
                return
        self._stack.start_component(name)
        self.restarts[name] += 1
