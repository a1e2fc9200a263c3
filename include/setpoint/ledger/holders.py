"""Who holds a lease: one attempt of one process. And whether that process is certainly dead.

A lease of a process that was killed would otherwise have to run out before anybody else may go on. On the machine (and
in the PID namespace: the container) where it ran, the kernel knows at once that it is gone; from anywhere else nobody
can tell, and the lease runs out.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
from pathlib import Path

_PROC = Path("/proc")
_FORMAT = re.compile(r"(?P<host>\S*) pid (?P<pid>\d+) since (?P<start>\d+) on (?P<machine>\S+) #\d+")
_GONE_STATES = ("Z", "X")
"""A zombie runs no more; it only waits for its parent to ask how it ended. proc(5), /proc/pid/stat, field 3."""

_attempts = itertools.count(1)


def new_holder() -> str:
    """A name for one attempt of this process, used by nobody else, now or ever.

    For people the host and the pid; for :func:`is_dead` the moment the process started (in clock ticks since boot), the
    machine's boot id and the PID namespace. The last two are empty where the kernel does not tell them (no Linux).
    """
    pid = os.getpid()
    started = _started(pid) or 0
    return f"{socket.gethostname()} pid {pid} since {started} on {_machine() or '-'} #{next(_attempts)}"


def is_dead(holder: str) -> bool:
    """Whether a holder's process certainly runs no more. ``False`` says nothing: it runs, or nobody can tell."""
    told = _FORMAT.fullmatch(holder)
    if told is None or told["machine"] == "-" or told["machine"] != _machine():
        return False
    pid = int(told["pid"])
    try:
        os.kill(pid, 0)  # signal 0 only asks; also where /proc hides other users' processes
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    stat = _stat(pid)
    return stat is not None and (stat[0] in _GONE_STATES or stat[1] != int(told["start"]))


def _machine() -> str | None:
    """One boot of one machine, and the PID namespace in which a pid means a process."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat(_PROC / 'self/ns/pid').st_ino}"
    except (OSError, ValueError):
        return None


def _started(pid: int) -> int | None:
    stat = _stat(pid)
    return None if stat is None else stat[1]


def _stat(pid: int) -> tuple[str, int] | None:
    """A process's state letter and start, of ``/proc/<pid>/stat``; read from behind, for its name may hold anything."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode("ascii"), int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
