"""Migrations: run by whoever opens the ledger, once, by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import setpoint.ledger
from setpoint.ledger import Ledger, LedgerMismatch, LedgerUnavailable, migrate, revision
from setpoint.ledger.database import Database
from setpoint.ledger.tables import HEAD, VERSION_TABLE, Base
from setpoint.model import Event
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


def test_what_an_older_setpoint_wrote_goes_on(empty_url: str) -> None:
    """Events that wait, requests among them, and rejects of before receipts were kept: all are there, and counted."""
    database = Database(empty_url)
    _upgrade_to(database, "0002")
    engine = create_engine(empty_url)
    asked = {"targets": [], "wanted_units": 6, "dry_run": False, "reason": "", "requested_by": "ana"}
    with engine.begin() as connection:
        for name, request in (("plain", None), ("asked", asked)):
            value = Event(event_id=name, kind="json", source="s", occurred_at=NOW, received_at=NOW).to_json()
            connection.execute(
                text(
                    "INSERT INTO setpoint_events (event_id, kind, unwanted, received_at, value) "
                    "VALUES (:id, 'json', :no, :at, :value)"
                ),
                {
                    "id": name,
                    "no": False,
                    "at": "2026-03-01T12:00:00.000000Z",
                    "value": json.dumps({**value, "request": request}),
                },
            )
            connection.execute(
                text(
                    "INSERT INTO setpoint_deliveries (event_id, policy, state, attempts, received_at) "
                    "VALUES (:id, 'web', 'waiting', 0, :at)"
                ),
                {"id": name, "at": "2026-03-01T12:00:00.000000Z"},
            )
        connection.execute(
            text(
                "INSERT INTO setpoint_rejects (reject_id, source, message_id, code, text, body, received_at) "
                "VALUES ('r', 's', 'm', 'not_json', 'it is not', 'hello', :at)"
            ),
            {"at": "2026-03-01T12:00:00.000000Z"},
        )
    engine.dispose()
    database.close()
    with Ledger.open(empty_url, clock=lambda: NOW) as ledger:
        assert [one.event_id for one in ledger.take_events("web", "web/1", NOW)] == ["asked"]
        assert [one.event_id for one in ledger.take_events("web", "web/2", NOW)] == ["plain"]
        assert ledger.accept_events([(ledger.events_of("web/2")[0].event, ("web",))]).duplicates == ("plain",)
        (reject,) = ledger.rejects(state="open")
        assert (reject.reject_id, ledger.kept_message("r").body) == ("r", "hello")
        assert ledger.accounting(NOW).rejected == 1


def _upgrade_to(database: Database, revision_wanted: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(setpoint.ledger.__file__).parent / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision_wanted)
