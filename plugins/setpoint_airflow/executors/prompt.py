"""The LocalExecutor, with a scheduler that rests until there is something to do."""

from __future__ import annotations

import gc
import os
import select
import socket
import time
from typing import Any

from airflow.executors.local_executor import LocalExecutor

from setpoint_airflow.executors.looks import Looks
from setpoint_airflow.nudge import RunKey, heard, hush, listen

BUSY_SECONDS = 0.2
REST_SECONDS = 0.5
KEPT_SECONDS = 1.0
GATHER_SECONDS = 0.02
FEW_TASKS = 2


class PromptExecutor(LocalExecutor):
    """Runs tasks as the :class:`LocalExecutor` does, and lets the scheduler rest between two looks.

    The scheduler's loop ends in each executor's heartbeat. There this one waits, until a nudge (see
    :mod:`setpoint_airflow.nudge`) says that a task has ended or a run was made, for
    ``SETPOINT_REST_SECONDS`` (0.5) at most, or 0.2 s while tasks run. So the next task of a run starts at
    once, and a scheduler with nothing to do costs a few percent of a core. Airflow's own sleep between two loops,
    ``[scheduler] scheduler_idle_sleep_time``, is then set to next to nothing.

    After a nudge it looks at the runs with news only (see :class:`~setpoint_airflow.executors.looks.Looks`). While more
    than two tasks run, it waits for another 20 ms, for those that end at the same time: a loop costs 30 ms and more,
    whatever it finds.
    """

    _nudged = False
    _kept_since: float | None = None
    _nudges: socket.socket | None = None
    _listener: int | None = None

    def start(self) -> None:
        """Start the workers, then listen."""
        gc.collect()
        super().start()
        # The LocalExecutor freezes only while it forks; the scheduler's next full collection would write to all that
        # it shares with its workers, and own 110 MB of it alone.
        gc.freeze()
        self._rest = float(os.environ.get("SETPOINT_REST_SECONDS", REST_SECONDS))
        try:
            self._nudges = listen()
        except OSError as error:
            self.log.warning("Nobody can nudge this scheduler, so tasks start later: %s", error)
        self._listener = os.getpid()
        self._looks = Looks()

    def sync(self) -> None:
        """Read what the workers say, then rest."""
        super().sync()
        seconds = BUSY_SECONDS if self.running or self.queued_tasks else self._rest
        if self._nudges is None:
            seconds = 0.05
        self._wait(seconds)

    def get_event_buffer(self, dag_ids: Any = None) -> Any:
        """Keep the workers' reports back while a nudge is answered, for a second at most.

        The scheduler looks each reported task up again (10 to 30 ms), to find nearly always that its end is known: the
        task has told the API server, which is what the nudge was about. The next task of its run goes first.
        """
        now = time.monotonic()
        if self._nudged and self.event_buffer:
            self._kept_since = self._kept_since or now
            if now - self._kept_since < KEPT_SECONDS:
                return {}
        self._kept_since = None
        return super().get_event_buffer(dag_ids)

    def end(self, *args: Any, **kwargs: Any) -> None:
        """Stop listening, then end as the LocalExecutor does."""
        if self._nudges is not None and self._listener == os.getpid():
            hush(self._nudges)
            self._nudges = None
            self._looks.at_all()
        super().end(*args, **kwargs)

    def _wait(self, seconds: float) -> None:
        news = self._hear(seconds)
        self._nudged = bool(news)
        if news and len(self.running) > FEW_TASKS:
            time.sleep(GATHER_SECONDS)
            news |= self._hear(0)
        if news and None not in news:
            self._looks.at({run for run in news if run is not None})
        else:
            self._looks.at_all()

    def _hear(self, seconds: float) -> set[RunKey | None]:
        """What nudges say, once there is one; nothing when there is none for so long."""
        readable = [self._nudges] if self._nudges is not None else []
        if not select.select(readable, [], [], seconds)[0]:
            return set()
        assert self._nudges is not None
        return set(heard(self._nudges))
