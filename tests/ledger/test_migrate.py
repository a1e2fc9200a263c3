"""Migrations: run by whoever opens the ledger, once, by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import setpoint.ledger
from setpoint.ledger import Ledger, LedgerMismatch, LedgerUnavailable, migrate, revision
from setpoint.ledger.database import Database
from setpoint.ledger.tables import HEAD, VERSION_TABLE, Base
from setpoint.testing.ledgers import begin_change
from setpoint.testing.values import NOW, a_planned_change


def test_head_is_the_newest_revision() -> None:
    """The revision the code looks for is the one the migration scripts lead to."""
    scripts = ScriptDirectory(str(Path(setpoint.ledger.__file__).parent / "migrations"))
    assert scripts.get_heads() == [HEAD]


def test_from_empty_twice(empty_url: str) -> None:
    """An empty database gets its tables; a second migration changes nothing."""
    assert revision(empty_url) is None
    assert migrate(empty_url) == HEAD
    with Ledger.open(empty_url) as ledger:
        begin_change(ledger, a_planned_change(change_id="one"), NOW)
    assert migrate(empty_url) == HEAD
    assert revision(empty_url) == HEAD
    with Ledger.open(empty_url) as ledger:
        assert ledger.change("one") is not None


def test_migrated_tables_are_the_declared_ones(empty_url: str) -> None:
    """What the migrations make is what the code declares, column by column and index by index."""
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_every_table_has_the_prefix(empty_url: str) -> None:
    """The ledger can share a database: all it makes there begins with its name."""
    migrate(empty_url)
    engine = create_engine(empty_url)
    names = inspect(engine).get_table_names()
    engine.dispose()
    assert len(names) == len(Base.metadata.tables) + 1
    assert all(name.startswith("setpoint_") for name in names)


def test_beside_another_application(empty_url: str) -> None:
    """Another application's tables and Alembic version in the same database stay as they are."""
    Database(empty_url).close()
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('airflow-1')"))
        connection.execute(text("CREATE TABLE dag (dag_id VARCHAR(250))"))
    migrate(empty_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "airflow-1"
    assert inspect(engine).has_table("dag")
    engine.dispose()


def test_written_by_a_newer_setpoint(empty_url: str) -> None:
    """A schema this version does not know is refused, not guessed at."""
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerMismatch, match=r"9999.*knows 0001, 0002, 0003.*Upgrade"):
        Ledger.open(empty_url)


def test_half_a_migration_leaves_nothing(empty_url: str) -> None:
    """A migration that fails in the middle is undone as a whole, and works once the cause is gone."""
    Database(empty_url).close()
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE setpoint_outcomes (stray INTEGER)"))
    with pytest.raises(LedgerUnavailable, match="setpoint_outcomes"):
        migrate(empty_url)
    assert inspect(engine).get_table_names() == ["setpoint_outcomes"]
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE setpoint_outcomes"))
    engine.dispose()
    assert migrate(empty_url) == HEAD
