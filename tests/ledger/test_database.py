"""Which databases there may be, and what happens when one is not there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from setpoint.ledger import Ledger, LedgerError, LedgerUnavailable
from setpoint.ledger.database import Database
from setpoint.stack.postgres import TemporaryPostgres
from setpoint.testing.values import NOW


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_no_ledger_in_memory(url: str) -> None:
    """A ledger that would forget everything is refused."""
    with pytest.raises(LedgerError, match="lives in memory"):
        Ledger.open(url)


@pytest.mark.parametrize("url", ["mysql://user:secret@host/db", "nonsense", "", "http://user:secret@host"])
def test_other_databases(url: str) -> None:
    """Any other URL is refused with what is allowed, and without its password."""
    with pytest.raises(LedgerError, match=r"use sqlite:////path/to/ledger\.db or postgresql://") as refused:
        Ledger.open(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_ways_to_say_postgresql(scheme: str) -> None:
    """Airflow's and SQLAlchemy's ways to name PostgreSQL all mean the driver that is installed."""
    database = Database(f"{scheme}://user:password@127.0.0.1/ledger")
    assert database.url.drivername == "postgresql+psycopg2"
    database.close()


def test_folder_is_made(tmp_path: Path) -> None:
    """A first ledger makes the folder it lies in."""
    path = tmp_path / "some" / "where" / "ledger.db"
    Ledger.open(f"sqlite:///{path}").close()
    assert path.exists()


def test_folder_with_a_percent_sign(tmp_path: Path) -> None:
    """A path may hold what is special to configuration files and to URLs."""
    path = tmp_path / "100%(here)s" / "ledger.db"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        assert ledger.rejects() == []


def test_sqlite_file_is_set_up(ledger_url: str, backend: str, ledger: Ledger) -> None:
    """SQLite writes ahead, waits for locks, keeps its references and survives a power cut."""
    if backend != "sqlite":
        return
    database = ledger._database
    with database.read() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    assert found == {"journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1, "synchronous": 2}


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is something else is reported with its path and a way out."""
    path = tmp_path / "ledger.db"
    path.write_text("this is a shopping list " * 100)
    with pytest.raises(LedgerUnavailable, match=rf"{path}.*not a database.*SETPOINT_LEDGER_URL"):
        Ledger.open(f"sqlite:///{path}")
    assert path.read_text().startswith("this is a shopping list")


def test_a_lock_that_stays(tmp_path: Path) -> None:
    """A lock that does not go away is reported instead of waited for without end; nothing is half written."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}?timeout=0.05"
    with Ledger.open(url) as ledger, closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="locked"):
            ledger.reject_message("m-1", "queue", "not_json", "it is not JSON", "", NOW)
        other.execute("ROLLBACK")
        ledger.reject_message("m-1", "queue", "not_json", "it is not JSON", "", NOW)
        assert len(ledger.rejects()) == 1


@pytest.mark.postgres
def test_server_away() -> None:
    """A server that is gone is reported without the password, by an open ledger as by a new one."""
    with TemporaryPostgres() as server:
        url = server.url()
        ledger = Ledger.open(url)
        password = ledger._database.url.password
        assert password is not None
    with pytest.raises(LedgerUnavailable, match="refused") as gone:
        ledger.rejects()
    ledger.close()
    assert password not in str(gone.value)
    with pytest.raises(LedgerUnavailable, match="refused"):
        Ledger.open(url)


@pytest.mark.postgres
def test_connection_lost(postgres: TemporaryPostgres) -> None:
    """A connection the server has closed is replaced, unnoticed."""
    with Ledger.open(postgres.create_database("lost")) as ledger:
        with ledger._database.read() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other = Database(postgres.url())
        with other.write() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        other.close()
        assert ledger.rejects() == []
