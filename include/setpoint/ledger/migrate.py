"""Bring a ledger's schema up to date. Any number of processes may try at once; one does it."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table, text

from setpoint.ledger.database import Database
from setpoint.ledger.errors import LedgerMismatch, LedgerUnavailable
from setpoint.ledger.tables import HEAD, VERSION_TABLE

_MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic keeps the migration under way in module globals, so one thread of a process at a time.
_ONE_THREAD = threading.Lock()


def migrate(url: str) -> str:
    """Create the ledger's tables, or bring them up to date.

    :param url: the ledger's URL; see :class:`setpoint.ledger.database.Database`.
    :returns: the revision the schema has now.
    :raises LedgerUnavailable: the database cannot be reached.
    :raises LedgerMismatch: a newer Setpoint has written it.
    """
    database = Database(url)
    try:
        bring_up_to_date(database)
    finally:
        database.close()
    return HEAD


def revision(url: str) -> str | None:
    """The revision a ledger's schema has; ``None`` when there is no ledger. Changes nothing, but SQLite makes the file.

    :raises LedgerUnavailable: the database cannot be reached.
    """
    database = Database(url)
    try:
        return _revision(database)
    finally:
        database.close()


def bring_up_to_date(database: Database) -> None:
    """Like :func:`migrate`, on an open database. One query when nothing is to be done."""
    if _revision(database) == HEAD:
        return
    with _ONE_THREAD:
        database.use_wal()
        with database.write() as connection:
            database.lock(connection, "migrate")
            found = _revision_if_any(connection)
            if found != HEAD:
                _upgrade(database, connection, found)


def _revision(database: Database) -> str | None:
    try:
        with database.read() as connection:
            return _read_revision(connection)
    except LedgerUnavailable:
        # There is no such table, or another process makes it right now, or there really is trouble: look closer.
        with database.read() as connection:
            return _revision_if_any(connection)


def _revision_if_any(connection: Connection) -> str | None:
    return _read_revision(connection) if inspect(connection).has_table(VERSION_TABLE) else None


def _read_revision(connection: Connection) -> str | None:
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar_one_or_none()


def _upgrade(database: Database, connection: Connection, found: str | None) -> None:
    # Alembic is only needed, and only paid for, when there is something to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    # The configuration is an ini file to Alembic: a percent sign in the path would be an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise LedgerMismatch(
            f"the ledger at {database.url.render_as_string(hide_password=True)} has schema revision {found}, and this "
            f"version of Setpoint knows {', '.join(sorted(known))}: a newer Setpoint wrote it. Upgrade this one"
        )
    if not database.is_sqlite:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
