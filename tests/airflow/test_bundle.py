"""The bundle that notices when a policy file changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from airflow import settings
from setpoint_airflow.bundle import ONCE_MORE_SECONDS, PolicyBundle


class Clock:
    """Seconds a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Folders:
    """A Dags folder and one of policies, and what the Dag processor was asked to parse."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.policies, self.dags = root / "policies", root / "dags"
        self.policies.mkdir()
        self.dags.mkdir()
        for name in ("setpoint_policies.py", "setpoint_policy_problems.py", "somebody_elses.py"):
            (self.dags / name).write_text("")
        (self.policies / "web.yaml").write_text("version: 1")
        self.bundle = PolicyBundle(name="dags-folder", path=str(self.dags), clock=clock)

    def refreshed(self) -> list[str]:
        """The Dag files a refresh asks for."""
        self.bundle.refresh()
        return self.taken()

    def taken(self) -> list[str]:
        """The Dag files asked for; like the Dag processor, it forgets them then."""
        with create_session() as session:
            asked = list(session.scalars(select(DagPriorityParsingRequest)))
            assert {one.bundle_name for one in asked} <= {"dags-folder"}
            for one in asked:
                session.delete(one)
            return sorted(one.relative_fileloc for one in asked)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folders(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    monkeypatch.setenv("SETPOINT_POLICIES", str(tmp_path / "policies"))
    requests = DagPriorityParsingRequest.__table__
    requests.drop(settings.engine, checkfirst=True)
    requests.create(settings.engine)
    folders = Folders(tmp_path, clock)
    assert folders.refreshed() == []  # the first look only learns what there is
    yield folders
    folders.taken()


READERS = ["setpoint_policies.py", "setpoint_policy_problems.py"]


def test_an_untouched_folder_costs_no_parsing(folders: Folders) -> None:
    """While no policy changes, no Dag file is asked for."""
    assert [folders.refreshed() for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_changed_policy_asks_for_the_files_that_read_policies(folders: Folders, change: str) -> None:
    """An edited, a new and a removed policy file each have the Dag files of policies parsed, and nobody else's."""
    web = folders.policies / "web.yaml"
    if change == "edit":
        web.write_text("version: 1 # edited")
    elif change == "add":
        (folders.policies / "new.yaml").write_text("version: 1")
    else:
        web.unlink()
    assert folders.refreshed() == READERS
    assert folders.refreshed() == []


def test_the_files_are_looked_at_once_more(folders: Folders, clock: Clock) -> None:
    """A parser that had read the folder just before the change is followed by another one."""
    (folders.policies / "web.yaml").write_text("version: 1 # edited")
    assert folders.refreshed() == READERS
    clock.now = ONCE_MORE_SECONDS - 1
    assert folders.refreshed() == []
    clock.now = ONCE_MORE_SECONDS
    assert folders.refreshed() == READERS
    assert folders.refreshed() == []


def test_a_folder_that_cannot_be_read_stops_nothing(folders: Folders) -> None:
    """A policies folder that is gone is told by the Dag file that reads it; the bundle goes on, and sees it return."""
    (folders.policies / "web.yaml").unlink()
    folders.policies.rmdir()
    assert folders.refreshed() == READERS
    folders.policies.mkdir()
    (folders.policies / "web.yaml").write_text("version: 1")
    assert folders.refreshed() == READERS


def test_what_is_asked_for_already_is_not_asked_for_twice(folders: Folders) -> None:
    """Two changes before the Dag processor gets round to it are one request a file."""
    for text in ("version: 1 # edited", "version: 1 # edited again"):
        (folders.policies / "web.yaml").write_text(text)
        folders.bundle.refresh()
    assert folders.taken() == READERS


def test_a_change_that_could_not_be_asked_about_is_not_forgotten(folders: Folders) -> None:
    """When the database is away for a moment, the next refresh asks."""
    requests = DagPriorityParsingRequest.__table__
    (folders.policies / "web.yaml").write_text("version: 1 # edited")
    requests.drop(settings.engine)
    with pytest.raises(SQLAlchemyError):
        folders.bundle.refresh()
    requests.create(settings.engine)
    assert folders.refreshed() == READERS
