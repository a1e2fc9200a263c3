"""``setpoint prune``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A batch pulled eight days ago."""
    monkeypatch.setenv("SETPOINT_DATA", str(tmp_path))
    pulled_at = datetime.now(UTC) - timedelta(days=8)
    path = tmp_path / "batches" / "web" / f"{pulled_at:%Y%m%dT%H%M%SZ}-{7:032x}.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 2_000)
    return path


def test_a_dry_run_only_tells(run, old: Path) -> None:
    """The file stays, and the answer says so."""
    done = run("prune", "--dry-run")
    assert done.exit_code == 0
    assert "1 files deleted (2.0 kB), 0 kept" in done.stdout
    assert "Nothing was deleted" in done.stdout
    assert old.exists()


def test_what_is_past_its_time_is_deleted(run, old: Path) -> None:
    """And counted."""
    told = json.loads(run("prune", "--json").stdout)
    assert (told["files"], told["freed_bytes"], told["dry_run"]) == (1, 2_000, False)
    assert not old.exists()


def test_a_setting_that_cannot_be_meant_ends_it(run, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted by a guess."""
    monkeypatch.setenv("SETPOINT_KEEP_BATCHES", "seven days")
    done = run("prune")
    assert done.exit_code == 3
    assert "SETPOINT_KEEP_BATCHES is 'seven days'" in done.stderr
    assert old.exists()


def test_memories_of_what_is_gone_are_deleted_too(run, old: Path) -> None:
    """A target nobody has heard of for a hundred days is forgotten; a dry run only counts it."""
    from setpoint.ledger import Ledger
    from setpoint.settings import load_settings

    with Ledger.open(load_settings().ledger_url) as ledger:
        ledger.count_batch("web", {"gone": True}, datetime.now(UTC) - timedelta(days=100))
        assert json.loads(run("prune", "--dry-run", "--json").stdout)["memories"] == 1
        assert set(ledger.streaks("web")) == {"gone"}
        assert json.loads(run("prune", "--json").stdout)["memories"] == 1
        assert ledger.streaks("web") == {}
