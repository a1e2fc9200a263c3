"""The thread that makes the world go round."""

import logging
import threading

from setpoint.lab.world.world import World

log = logging.getLogger(__name__)


class WorldRunner:
    """Ticks a world at its rhythm until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lab-world", daemon=True)
        self.failure: str | None = None
        """What broke the last tick, None while all is well; shown by `/_lab/health`."""

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def _run(self) -> None:
        period = self._world.environment.config.tick_seconds
        while not self._stopping.is_set():
            try:
                self._world.tick()
                self.failure = None
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                log.exception("the world's tick failed; metrics and instances stand still until a tick succeeds")
            self._stopping.wait(period)
