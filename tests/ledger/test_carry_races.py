"""Workers that race to change one target, on a provider without any condition: exactly one effective call."""

from __future__ import annotations

from pathlib import Path

import pytest
from carry_race import FOLDER, carry_out_on_files
from races import at_once, race

from setpoint.ledger import Ledger

WORKERS = 6


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The provider, with a capacity of four."""
    (tmp_path / "capacity").write_text("4")
    (tmp_path / "calls").touch()
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


def exactly_one(folder: Path, ledger: Ledger, ends: list[str]) -> None:
    calls = (folder / "calls").read_text().splitlines()
    assert len(calls) == 1, calls
    change_id, to_units = calls[0].split()
    assert (folder / "capacity").read_text() == to_units
    states = {one.change_id: one.state.value for one in ledger.changes_of("run-1")}
    assert states.pop(change_id) == "applied"
    assert set(states.values()) <= {"refused"}
    assert set(ends) <= {"applied", "refused"}
    assert "applied" in ends
    assert ledger.leases() == ()


def test_threads(ledger: Ledger, ledger_url: str, folder: Path) -> None:
    """Threads, each with a connection of its own, several at each of two changes."""
    exactly_one(folder, ledger, at_once(WORKERS, lambda number: carry_out_on_files(ledger_url, number)))


def test_processes(ledger: Ledger, ledger_url: str, folder: Path, tmp_path: Path) -> None:
    """Processes, as a scheduler's tasks, a second scheduler's, and a person's command are."""
    exactly_one(
        folder, ledger, race("carry", ledger_url, tmp_path / "go", processes=4, environment={FOLDER: str(folder)})
    )
