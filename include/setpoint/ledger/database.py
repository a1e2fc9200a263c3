"""The connection to the ledger's database: one engine, read and write transactions, and a lock by name."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from setpoint.ledger.errors import LedgerError, LedgerUnavailable

BUSY_SECONDS = 30
"""How long a statement waits for another's lock before it gives up."""

_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 60
_RETRY_SECONDS = 0.02
_WRITES = "setpoint_writes"
_kept: dict[URL, Engine] = {}


class Database:
    """A ledger's database.

    :param url: an SQLAlchemy URL, ``sqlite:////path/ledger.db`` or ``postgresql://user:password@host/database``
        (``postgres://``, as Airflow's connections have it, is the same).
    :raises LedgerError: the URL is neither; or SQLite without a file, which would forget everything.
    """

    def __init__(self, url: str) -> None:
        self.url = _supported(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _kept.get(self.url) or (
            _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url)
        )
        self._writer = self.engine.execution_options(**{_WRITES: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite it sees one moment and never waits for a writer.

        :raises LedgerUnavailable: the database cannot be reached or gave up.
        """
        with self._speaking_of_trouble(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it is kept, or nothing.

        SQLite takes its write lock at the start (``BEGIN IMMEDIATE``): a transaction that reads first and writes later
        could otherwise fail at its first write, and no busy timeout would help it.

        :raises LedgerUnavailable: the database cannot be reached or gave up; nothing is kept.
        """
        with self._speaking_of_trouble(), self._writer.begin() as connection:
            yield connection

    def lock(self, connection: Connection, *words: str) -> None:
        """Until this transaction ends, keep out every other that locks the same words.

        SQLite has one writer at a time anyway, so there it is nothing.
        """
        if self.is_sqlite:
            return
        name = hashlib.sha256("\0".join(("setpoint", *words)).encode("utf-8", "backslashreplace")).digest()
        connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(name[:8], signed=True))))

    def insert(self, table: Any) -> Any:
        """An ``INSERT`` that knows ``ON CONFLICT``, which both databases have but SQLAlchemy keeps per dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def use_wal(self) -> None:
        """Let SQLite's readers and its writer work at the same time. The file remembers it.

        :raises LedgerUnavailable: another process kept the file locked.
        """
        if not self.is_sqlite:
            return
        deadline = time.monotonic() + BUSY_SECONDS
        with self._speaking_of_trouble(), self.engine.connect() as connection:
            # Past SQLAlchemy, which would begin a transaction: in one, SQLite refuses.
            cursor = connection.connection.cursor()
            while True:
                try:
                    cursor.execute("PRAGMA journal_mode=WAL")
                    break
                except sqlite3.OperationalError:
                    # Two processes that switch a new file at once: SQLite does not wait here, whatever its timeout.
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_RETRY_SECONDS)
            cursor.close()

    def keep_engine(self) -> None:
        """Let every database of the same URL that is opened from now on, here and in forks, use this one's engine."""
        _kept[self.url] = self.engine

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    @contextmanager
    def _speaking_of_trouble(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (DBAPIError, PoolTimeout, self.engine.dialect.loaded_dbapi.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise LedgerUnavailable(
                f"the ledger at {self.url.render_as_string(hide_password=True)} did not do it: {str(cause).strip()}. "
                f"Nothing of the transaction was kept. Check that the database runs, and that SETPOINT_LEDGER_URL "
                f"or the Airflow connection setpoint_ledger names it; then try again"
            ) from error


def _supported(text: str) -> URL:
    allowed = "use sqlite:////path/to/ledger.db or postgresql://user:password@host:5432/database"
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise LedgerError(f"the ledger's URL cannot be read; {allowed}") from error
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if url.database in (None, "", ":memory:"):
            raise LedgerError(f"{text} lives in memory and would forget every change; {allowed}")
        return url
    # SQLAlchemy 2.1 reads "postgresql" as psycopg 3; the driver installed here is psycopg2, and no driver for asyncio.
    if url.drivername in ("postgres", "postgresql", "postgresql+asyncpg"):
        return url.set(drivername="postgresql+psycopg2")
    if url.get_backend_name() == "postgresql":
        return url
    raise LedgerError(f"the ledger knows no {url.get_backend_name()} ({url.render_as_string()}); {allowed}")


def _sqlite_engine(url: URL) -> Engine:
    assert url.database is not None
    if not url.database.startswith("file:"):
        Path(url.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url.set(query={"timeout": str(BUSY_SECONDS), **url.query}))

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # The driver would begin transactions by itself, and too late; see the listener below.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON").close()
        # FULL: a message is deleted from its queue once it is here, so it must outlive a power cut.
        connection.execute("PRAGMA synchronous=FULL").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        pool_timeout=BUSY_SECONDS,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "setpoint"},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET lock_timeout = '{BUSY_SECONDS}s'; SET statement_timeout = '{_STATEMENT_SECONDS}s'; "
                f"SET idle_in_transaction_session_timeout = '{_STATEMENT_SECONDS}s'"
            )
        connection.commit()

    return engine
