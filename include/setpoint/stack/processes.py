"""Process sessions: starting a server in one, and ending everything in it.

Airflow's components fork workers, tasks, triggers and parsers, and move some of them to process groups of their own.
All stay in the session of the component that was started with ``start_new_session``, so the session, not the group,
is what gets ended.
"""

import os
import signal
import time
from collections.abc import Iterable
from typing import NamedTuple

import psutil

_POLL_SECONDS = 0.05


class Session(NamedTuple):
    """A process session by the pid of its leader, told apart from a later one that got the same number."""

    leader: int
    started_at: float
    """When the leader was created, epoch seconds."""

    @classmethod
    def of(cls, leader: int) -> "Session":
        """Describe the session led by the running process ``leader``."""
        return cls(leader, psutil.Process(leader).create_time())

    def members(self) -> list[int]:
        """Return the pids of the session's living processes, zombies left out."""
        if self._was_replaced():
            return []
        return [pid for pid in psutil.pids() if _session_id(pid) == self.leader and not _is_zombie(pid)]

    def _was_replaced(self) -> bool:
        try:
            return abs(psutil.Process(self.leader).create_time() - self.started_at) > 1
        except psutil.NoSuchProcess:
            return False  # the leader is gone; what it left in its session is still ours


def end_sessions(sessions: Iterable[Session], *, grace_seconds: float) -> None:
    """End every process of ``sessions``: SIGTERM, and SIGKILL for what is left after ``grace_seconds``.

    Returns when none is left, or when even SIGKILL did not end one within ten seconds (a process in uninterruptible
    sleep; nothing can be done about it from here).
    """
    sessions = list(sessions)
    _signal_all(_living(sessions), signal.SIGTERM)
    if _wait_until_gone(sessions, grace_seconds):
        return
    deadline = time.monotonic() + 10
    while (living := _living(sessions)) and time.monotonic() < deadline:
        # Again and again: a process may have forked between the listing and the signal.
        _signal_all(living, signal.SIGKILL)
        _wait_until_gone(sessions, 0.5)


def _wait_until_gone(sessions: list[Session], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _living(sessions):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _living(sessions: list[Session]) -> list[int]:
    return [pid for session in sessions for pid in session.members()]


def _signal_all(pids: list[int], signal_number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue


def _session_id(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
