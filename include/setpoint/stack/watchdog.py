"""Ends what a process started when that process is gone, however it went.

A parent that is killed with SIGKILL, or crashes, runs no clean-up of its own. So each :class:`Watchdog` is a small
process that holds the reading end of a pipe and is told which sessions belong to the parent. Nobody else holds the
writing end, so the pipe closes exactly when the parent ends, and then the watchdog ends the sessions that are left.

(``prctl(PR_SET_PDEATHSIG)`` does this for direct children only, and fires when the *thread* that forked them ends.)
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from setpoint.stack.processes import Session, end_sessions

GRACE_SECONDS = 5.0
"""How long processes get to end by themselves after their parent is gone."""


class Watchdog:
    """The parent's end. A context manager; leaving it ends what was guarded and is still there."""

    def __init__(self, *, keep_open: int | None = None) -> None:
        """:param keep_open: a file descriptor the watchdog shares, e.g. a lock that is to last until it is done."""
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "setpoint.stack.watchdog"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the parent, which then closes the pipe.
            start_new_session=True,
            pass_fds=() if keep_open is None else (keep_open,),
            env=environment,
            text=True,
        )

    def guard(self, session: Session) -> None:
        """Have ``session`` ended when this process is gone."""
        pipe = self._pipe()
        pipe.write(f"{session.leader} {session.started_at!r}\n")
        pipe.flush()

    def close(self) -> None:
        """End the guarded sessions that are still there, and wait until they are gone."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe().close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pipe(self) -> IO[str]:
        if self._process.stdin is None:
            raise RuntimeError("the watchdog was started without a pipe")
        return self._process.stdin


def watch(pipe: IO[str]) -> None:
    """Read sessions from ``pipe``, one a line, until it closes; then end them."""
    sessions = []
    for line in pipe:
        leader, started_at = line.split()
        sessions.append(Session(int(leader), float(started_at)))
    end_sessions(sessions, grace_seconds=GRACE_SECONDS)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
