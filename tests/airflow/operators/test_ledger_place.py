"""Where Airflow's tasks look for the ledger, and that they never go on with another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from setpoint.ledger import LedgerUnavailable
from setpoint_airflow.ledger import ledger_url


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that names no ledger."""
    for name in ("SETPOINT_LEDGER_URL", "SETPOINT_LEDGER_CONNECTION", "AIRFLOW_CONN_SETPOINT_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SETPOINT_DATA", str(tmp_path / "data"))


def test_sqlite_when_nothing_is_named(tmp_path: Path) -> None:
    """One machine needs no setting."""
    assert ledger_url() == f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"


def test_the_connection_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What docker compose sets is what is used, in the spelling SQLAlchemy knows."""
    monkeypatch.setenv("AIRFLOW_CONN_SETPOINT_LEDGER", "postgres://one:secret@db:5432/setpoint")
    assert ledger_url() == "postgresql://one:secret@db:5432/setpoint"


def test_a_named_connection_that_is_not_there_is_no_other_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty ledger knows no cooldown and no open change: better no run than one that knows nothing."""
    monkeypatch.setenv("SETPOINT_LEDGER_CONNECTION", "nowhere")
    with pytest.raises(LedgerUnavailable, match="nowhere"):
        ledger_url()
