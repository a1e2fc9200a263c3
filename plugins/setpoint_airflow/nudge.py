"""Tell the scheduler of this machine that there is something to do, instead of letting it find out.

Airflow's scheduler looks round in a loop and sleeps in between: a short sleep burns a core, a long one costs each task
of a run half of it. With :class:`~setpoint_airflow.executors.prompt.PromptExecutor` it rests until it is nudged: one
datagram on a Unix socket, sent when a task has ended or a run was made. It names the run, or nothing, and is no more
than a hint: the worst that a wrong one does is one look too many; a lost one costs the rest of the rest.

Light to import: every task does.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER_VARIABLE = "SETPOINT_NUDGE_FOLDER"

RunKey = tuple[str, str]
"""A Dag's id and a run's id in it."""

_MOST_BYTES = 2048
"""Airflow's ids have 250 characters each at most."""


def folder() -> Path:
    """Where the schedulers' sockets are: ``SETPOINT_NUDGE_FOLDER``, else a folder per user and ``AIRFLOW_HOME``.

    The default is in the system's folder for temporary files, for a socket's path has 107 characters at most.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    home = os.environ.get("AIRFLOW_HOME", str(Path.home() / "airflow"))
    identity = hashlib.sha256(home.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"setpoint-{os.getuid()}-{identity}"


def nudge(run: RunKey | None = None) -> None:
    """Nudge every scheduler of this machine. Never blocks and never raises: it only saves time.

    :param run: where there is something to do; without it, anywhere.
    """
    words = "\0".join(run or ()).encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError), os.scandir(folder()) as sockets:
        for one in sockets:
            _send(one.path, words)


def _send(path: str, words: bytes) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(words, path)


def heard(receiver: socket.socket) -> Iterator[RunKey | None]:
    """The nudges that have arrived, oldest first: the run each names, ``None`` for one that names none."""
    with contextlib.suppress(BlockingIOError):
        while True:
            dag, _, run = receiver.recv(_MOST_BYTES).decode("utf-8", "replace").partition("\0")
            yield (dag, run) if run else None


def listen() -> socket.socket:
    """The socket on which this process is nudged; :func:`hush` takes it away.

    :raises OSError: it cannot be made, or its folder belongs to another user.
    """
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = place.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{place} is not a folder of this user; set {FOLDER_VARIABLE} to one that is")
    _sweep(place)
    path = place / str(os.getpid())
    path.unlink(missing_ok=True)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        receiver.setblocking(False)
        receiver.bind(str(path))
        path.chmod(0o600)
    except OSError:
        receiver.close()
        raise
    return receiver


def hush(receiver: socket.socket) -> None:
    """Take the socket away."""
    path = receiver.getsockname()
    receiver.close()
    Path(path).unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    """Remove the sockets nobody listens on any more: their schedulers were killed."""
    for path in place.iterdir():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)
