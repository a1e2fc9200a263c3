"""A task's process, forked before its task is there.

A task waits for its process: the fork of a large worker, new log and request channels, the models of the messages it
exchanges with its supervisor. That is 60 to 80 ms of each task, none of which depends on the task. So a worker that has
finished one forks the process of the next while it has nothing else to do.

Airflow calls what runs a task's process a coordinator and lets a queue have its own (``[sdk] coordinators`` and
``[sdk] queue_to_coordinator``); see https://airflow.apache.org/docs/apache-airflow/3.3.2/configurations-ref.html#sdk.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from socket import MSG_PEEK, socket
from typing import Any, cast
from uuid import UUID

from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from airflow.sdk.execution_time.coordinator import BaseCoordinator
from airflow.sdk.execution_time.supervisor import (
    ActivitySubprocess,
    process_log_messages_from_subprocess,
)

from setpoint_airflow.warm import meet_ledger

_NO_TASK = UUID(int=0)
_CAN_FORK = sys.platform != "darwin"
"""On macOS Airflow starts a fresh interpreter for each task; there is nothing to gain."""


class SpareProcess(ActivitySubprocess):
    """A process that waits for its task. :meth:`adopt` gives it one; until then nobody reads what it says."""

    _channels: tuple[socket, socket, socket, socket] | None = None

    @classmethod
    def fork(cls) -> SpareProcess:
        """Fork a process without a task. It ends by itself when this one does."""
        # The base class's start: ActivitySubprocess's own tells the API server at once which task has begun.
        start = cast("Any", super(ActivitySubprocess, cls).start)
        spare: SpareProcess = start(
            id=_NO_TASK, client=cast("Any", None), target=_wait_for_task, new_process_group=True
        )
        return spare

    @property
    def waits(self) -> bool:
        """Whether it is still there."""
        return self._check_subprocess_exit() is None

    def adopt(self, *, what: Any, client: Any, logger: Any, logs_to_stdout: bool, **startup: Any) -> None:
        """Run a task in this process; afterwards it is like any other task's."""
        self.id = what.id
        self.client = client
        self.subprocess_logs_to_stdout = logs_to_stdout
        if logger is not None:
            self.process_log = logger
        self.start_time = time.monotonic()
        stdout, stderr, requests, logs = cast("Any", self._channels)
        early = _pending(logs)
        super()._register_pipe_readers(stdout, stderr, requests, logs, data={})
        self._say(early)
        self._channels = None
        self._on_child_started(ti=what, **startup)
        # To say that the task runs is a heartbeat; the next one is due after the usual interval.
        self._last_heartbeat_attempt = time.monotonic()

    def dismiss(self) -> None:
        """End a process that got no task."""
        for channel in self._channels or ():
            channel.close()

    def _register_pipe_readers(
        self, stdout: socket, stderr: socket, requests: socket, logs: socket, *, data: dict[socket, bytes]
    ) -> None:
        # Whose log it is will be known when there is a task.
        self._channels = (stdout, stderr, requests, logs)

    def _service_subprocess(self, max_wait_time: float, **rest: Any) -> int | None:
        # Its channels close a moment before it can be reaped. Whoever looks in between would be woken by nothing, and
        # keep the worker for the five seconds of a heartbeat's interval (seen when a scheduler is quick).
        if not self._open_sockets:
            max_wait_time = min(max_wait_time, 0.02)
        return cast("int | None", super()._service_subprocess(max_wait_time, **rest))

    def _say(self, early: bytes) -> None:
        """Log what it said while it waited, as of now: a log that begins before its task is a riddle."""
        lines = process_log_messages_from_subprocess(self._get_target_loggers())
        next(lines)
        now = datetime.now(UTC).isoformat()
        for line in early.splitlines():
            lines.send(json.dumps({**json.loads(line), "timestamp": now}).encode())


class SpareProcessCoordinator(BaseCoordinator):
    """Runs tasks as Airflow does by default, each in a process that was forked while the worker had nothing to do."""

    def __init__(self) -> None:
        self._spare: SpareProcess | None = None
        self._worker = 0

    def execute_task(
        self,
        *,
        what: Any,
        dag_rel_path: str | os.PathLike[str],
        bundle_info: Any,
        client: Any,
        logger: Any = None,
        sentry_integration: str = "",
        subprocess_logs_to_stdout: bool,
        **_: Any,
    ) -> BaseCoordinator.ExecutionResult:
        """Run a task to its end, then fork the process of the next."""
        process = self._taken() or SpareProcess.fork()
        process.adopt(
            what=what,
            client=client,
            logger=logger,
            logs_to_stdout=subprocess_logs_to_stdout,
            dag_rel_path=dag_rel_path,
            bundle_info=bundle_info,
            sentry_integration=sentry_integration,
        )
        exit_code = process.wait()
        if _CAN_FORK:
            # The secrets of the task that has ended are no business of the next one's.
            reset_secrets_masker()
            self._spare, self._worker = SpareProcess.fork(), os.getpid()
        return self.ExecutionResult(exit_code, process.final_state)

    def _taken(self) -> SpareProcess | None:
        spare, self._spare = self._spare, None
        if spare is None or self._worker != os.getpid():
            return None
        if spare.waits:
            return spare
        spare.dismiss()
        return None


def _wait_for_task() -> None:
    """What runs in the forked process: Airflow's own way to run a task, up to where it asks which.

    It asks by reading from the worker, and would take a worker that has gone for an error worth three stack traces.
    While there is no task it meets the ledger.
    """
    from airflow.sdk.execution_time import task_runner

    ask, asked = task_runner.get_startup_details, False

    def ask_unless_alone() -> Any:
        nonlocal asked
        if not select.select([task_runner.SUPERVISOR_COMMS.socket], [], [], 0)[0]:
            meet_ledger()
        if not task_runner.SUPERVISOR_COMMS.socket.recv(1, MSG_PEEK):
            os._exit(0)
        asked = True
        return ask()

    task_runner.get_startup_details = ask_unless_alone
    try:
        task_runner.main()
    except BrokenPipeError:
        if asked:
            raise
        os._exit(0)


def _pending(channel: socket) -> bytes:
    """What lies in a channel, up to its last whole line; there is little, and nobody is sending."""
    channel.setblocking(False)
    found = b""
    with suppress(BlockingIOError):
        found = channel.recv(65536)
    channel.setblocking(True)
    return found
