"""A connection to a database that can only read, has a time limit, and can be stopped from outside.

Imported inside functions: it needs SQLAlchemy.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

Result = TypeVar("Result")

READ_ONLY_DIALECTS = ("postgresql", "sqlite")
"""Databases of which Setpoint knows how to make a transaction read-only."""

_GRACE_SECONDS = 2.0
"""How much longer than the database's own limit the answer is waited for, so that its own words come first."""


class NotReadOnlyError(Exception):
    """No read-only transaction is known for this database."""


class Stoppable:
    """Runs work with a connection in a thread of its own, so that the caller can be interrupted while a driver waits.

    :param engine: makes the connection; what it makes is closed.
    :param seconds: how long the work may take.
    :param zone: the zone the database reads times without a zone in, where it has such a setting.
    :param by_privileges: the connection's user cannot change anything, so no read-only transaction is asked for.
    """

    def __init__(self, engine: Engine, *, seconds: float, zone: str, by_privileges: bool) -> None:
        self._engine, self._seconds, self._zone, self._by_privileges = engine, seconds, zone, by_privileges
        self._driver: Any = None
        self._stopped = threading.Event()

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """What the work makes of the connection.

        :raises NotReadOnlyError: no read-only transaction is known for this database, and none is let off.
        :raises TimeoutError: it was not done in time.
        :raises sqlalchemy.exc.SQLAlchemyError: the database's own errors.
        """
        if self._engine.dialect.name not in READ_ONLY_DIALECTS and not self._by_privileges:
            raise NotReadOnlyError(self._engine.dialect.name)
        with ThreadPoolExecutor(1, thread_name_prefix="sql") as pool:
            doing = pool.submit(self._do, work)
            try:
                return doing.result(self._seconds + _GRACE_SECONDS)
            except WaitedTooLongError:
                raise TimeoutError(f"not done after {self._seconds:g} s") from None
            finally:
                # Done, late or interrupted: leaving the pool waits for the thread, so it must be able to end.
                if not doing.done():
                    self._stop()

    def _do(self, work: Callable[[Connection], Result]) -> Result:
        with self._connected() as connection:
            if self._stopped.is_set():
                raise TimeoutError("stopped")
            return work(connection)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        name = self._engine.dialect.name
        options: dict[str, Any] = {}
        if name == "postgresql" and not self._by_privileges:
            options = {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
        with self._engine.connect().execution_options(**options) as connection:
            self._driver = connection.connection.driver_connection
            if name == "postgresql":
                self._prepare_postgresql(connection)
            elif name == "sqlite":
                self._prepare_sqlite(connection)
            try:
                yield connection
            finally:
                with contextlib.suppress(Exception):  # a connection that was cut off cannot be rolled back
                    connection.rollback()
                self._driver = None

    def _prepare_postgresql(self, connection: Connection) -> None:
        for setting, value in (
            ("statement_timeout", str(int(self._seconds * 1000))),
            ("idle_in_transaction_session_timeout", str(int((self._seconds + _GRACE_SECONDS) * 1000))),
            ("TimeZone", self._zone),
        ):
            connection.execute(text("SELECT set_config(:setting, :value, true)"), {"setting": setting, "value": value})

    def _prepare_sqlite(self, connection: Connection) -> None:
        ends = time.monotonic() + self._seconds
        # Not zero ends the statement with SQLITE_INTERRUPT; asked every so many of its instructions.
        self._driver.set_progress_handler(lambda: int(self._stopped.is_set() or time.monotonic() > ends), 10_000)
        if not self._by_privileges:
            connection.exec_driver_sql("PRAGMA query_only = ON")

    def _stop(self) -> None:
        """End what the driver is waiting for, from another thread."""
        self._stopped.set()
        driver = self._driver
        with contextlib.suppress(Exception):  # it may have ended just now
            if callable(fileno := getattr(driver, "fileno", None)):
                # Not the driver's cancel: that asks the server, which may not answer. Its own limit ends it there.
                with socket.socket(fileno=os.dup(fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
            elif callable(stop := getattr(driver, "interrupt", None) or getattr(driver, "cancel", None)):
                stop()


def bound_moment(moment: datetime, *, dialect: str, zone: str | None, unit: str | None) -> Any:
    """A moment as a parameter that compares with the policy's time column.

    A number where the column holds numbers; a time without a zone, in the column's zone, where it holds such; else a
    time in UTC with its zone. SQLite has no times: there it is text, as ``2026-01-02 03:04:05`` in a zone the policy
    names, else as ``2026-01-02T03:04:05Z``.
    """
    if unit is not None:
        counted = moment.timestamp() * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
        return round(counted)
    if zone is not None:
        local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        return local.isoformat(sep=" ") if dialect == "sqlite" else local
    return f"{moment.astimezone(ZoneInfo('UTC')):%FT%TZ}" if dialect == "sqlite" else moment
