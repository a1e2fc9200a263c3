"""Nudging a scheduler."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path

import pytest

from setpoint_airflow.nudge import FOLDER_VARIABLE, folder, heard, hush, listen, nudge


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the sockets; its path is short, as a socket's must be."""
    short = Path(f"/tmp/{tmp_path.name}-{os.getpid()}")  # a socket's path has 107 characters at most
    monkeypatch.setenv(FOLDER_VARIABLE, str(short))
    return short


def test_a_nudge_reaches_whoever_listens(place: Path) -> None:
    """Each nudge is one datagram on the socket of the process that listens."""
    receiver = listen()
    try:
        nudge()

        assert select.select([receiver], [], [], 10)[0] == [receiver]
        assert receiver.recv(1) == b""
    finally:
        hush(receiver)
    assert list(place.iterdir()) == []


def test_a_nudge_may_name_a_run(place: Path) -> None:
    """Whoever listens learns which, or that none was named; names may be as long and strange as Airflow allows."""
    receiver = listen()
    longest = ("\N{SNOWMAN}" * 250, "r" * 250)
    try:
        nudge(("setpoint.web", "manual__2026"))
        nudge()
        nudge(longest)

        assert list(heard(receiver)) == [("setpoint.web", "manual__2026"), None, longest]
        assert list(heard(receiver)) == []
    finally:
        hush(receiver)


def test_a_nudge_nobody_hears_harms_nobody(place: Path) -> None:
    """Without a folder, and with a socket whose scheduler was killed, nudging does nothing and raises nothing."""
    nudge()
    place.mkdir(mode=0o700)
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(place / "4711"))
    dead.close()

    nudge()

    hush(listen())
    assert list(place.iterdir()) == []  # the dead one is swept away by the next that listens


def test_nudges_never_block(place: Path) -> None:
    """A scheduler that is busy for long does not hold up the tasks that nudge it."""
    receiver = listen()
    try:
        for _ in range(2000):
            nudge()
    finally:
        hush(receiver)


def test_another_users_folder_is_not_used(place: Path) -> None:
    """A path where somebody else put something is refused, and the message says what to set."""
    place.write_text("not a folder")
    try:
        with pytest.raises((PermissionError, FileExistsError)):
            listen()
    finally:
        place.unlink()


def test_each_home_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two deployments of one user do not nudge each other."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", "/srv/one")
    one = folder()
    monkeypatch.setenv("AIRFLOW_HOME", "/srv/two")

    assert folder() != one
    assert folder().parent == one.parent
