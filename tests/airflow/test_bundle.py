"""The bundle that notices when a policy file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from setpoint_airflow.bundle import ONCE_MORE_SECONDS, PolicyBundle

LONG_AGO = 1_000_000_000


class Clock:
    """Seconds a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Folders:
    """A Dags folder and one of policies, and what was touched."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.policies, self.dags = root / "policies", root / "dags"
        self.policies.mkdir()
        self.dags.mkdir()
        for name in ("setpoint_policies.py", "setpoint_policy_problems.py", "somebody_elses.py"):
            (self.dags / name).write_text("")
        (self.policies / "web.yaml").write_text("version: 1")
        self.bundle = PolicyBundle(name="dags-folder", path=str(self.dags), clock=clock)

    def touched(self) -> list[str]:
        """The Dag files whose time a refresh moved."""
        for file in self.dags.iterdir():
            os.utime(file, (LONG_AGO, LONG_AGO))
        self.bundle.refresh()
        return sorted(file.name for file in self.dags.iterdir() if file.stat().st_mtime != LONG_AGO)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folders(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("SETPOINT_POLICIES", str(tmp_path / "policies"))
    folders = Folders(tmp_path, clock)
    assert folders.touched() == []  # the first look only learns what there is
    return folders


READERS = ["setpoint_policies.py", "setpoint_policy_problems.py"]


def test_an_untouched_folder_costs_no_parsing(folders: Folders) -> None:
    """While no policy changes, no Dag file is marked as changed."""
    assert [folders.touched() for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_changed_policy_marks_the_files_that_read_policies(folders: Folders, change: str) -> None:
    """An edited, a new and a removed policy file each have the Dag files of policies parsed, and nobody else's."""
    web = folders.policies / "web.yaml"
    if change == "edit":
        web.write_text("version: 1 # edited")
    elif change == "add":
        (folders.policies / "new.yaml").write_text("version: 1")
    else:
        web.unlink()
    assert folders.touched() == READERS
    assert folders.touched() == []


def test_the_files_are_looked_at_once_more(folders: Folders, clock: Clock) -> None:
    """A parser that had read the folder just before the change is followed by another one."""
    (folders.policies / "web.yaml").write_text("version: 1 # edited")
    assert folders.touched() == READERS
    clock.now = ONCE_MORE_SECONDS - 1
    assert folders.touched() == []
    clock.now = ONCE_MORE_SECONDS
    assert folders.touched() == READERS
    assert folders.touched() == []


def test_a_folder_that_cannot_be_read_stops_nothing(folders: Folders) -> None:
    """A policies folder that is gone is told by the Dag file that reads it; the bundle goes on, and sees it return."""
    (folders.policies / "web.yaml").unlink()
    folders.policies.rmdir()
    assert folders.touched() == READERS
    folders.policies.mkdir()
    (folders.policies / "web.yaml").write_text("version: 1")
    assert folders.touched() == READERS


def test_dag_files_that_cannot_be_marked_stop_nothing(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the Dags folder is read-only, a warning says what follows and what to do."""

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    (folders.policies / "web.yaml").write_text("version: 1 # edited")
    monkeypatch.setattr(os, "utime", refuse)
    folders.bundle.refresh()
    assert "min_file_process_interval" in caplog.text
