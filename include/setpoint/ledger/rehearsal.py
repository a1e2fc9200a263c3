"""A ledger to rehearse on, so that what is learned with it serves the real one.

SQLAlchemy writes each statement's SQL when it is first executed, which takes 2 to 12 ms, and an engine remembers it.
A task is a fork that executes each of its statements once, so all of its times are first ones, unless the engine it
inherits has been through them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import event

from setpoint.ledger.database import Database
from setpoint.ledger.ledger import Ledger
from setpoint.ledger.migrate import bring_up_to_date, revision
from setpoint.ledger.tables import HEAD

_NOWHERE = "file:setpoint-rehearsal?mode=memory&cache=shared"


@contextmanager
def rehearsal(url: str) -> Iterator[Ledger | None]:
    """A ledger of the kind ``url`` names, of which nothing is kept but what its engine has learned.

    Every :meth:`Ledger.open` of the same URL in this process and its forks goes on with that engine. On SQLite the
    rehearsal has a database in memory; on PostgreSQL it has the real one, in a transaction that is rolled back.

    :returns: ``None`` when PostgreSQL has no ledger of this version yet.
    :raises LedgerUnavailable: PostgreSQL cannot be reached.
    :raises LedgerError: the URL is of neither kind.
    """
    database = Database(url)
    if not database.is_sqlite and revision(url) != HEAD:
        yield None
        return
    with _in_memory(database) if database.is_sqlite else _rolled_back(database):
        bring_up_to_date(database)
        yield Ledger(database)
    database.keep_engine()
    # A fork must not talk through its parent's connections, nor end them.
    os.register_at_fork(after_in_child=lambda: database.engine.dispose(close=False))


@contextmanager
def _in_memory(database: Database) -> Iterator[None]:
    def connect(*_: Any) -> Any:
        return sqlite3.connect(_NOWHERE, uri=True, check_same_thread=False)

    event.listen(database.engine, "do_connect", connect)
    try:
        with closing(connect()):  # the database lives as long as somebody is connected to it
            yield
    finally:
        database.close()
        event.remove(database.engine, "do_connect", connect)


@contextmanager
def _rolled_back(database: Database) -> Iterator[None]:
    """Every transaction of the database is a part of one that is rolled back.

    Its dialect says "committed" and does nothing; there is one connection, so also a pooler between here and the server
    keeps to one transaction.
    """
    dialect: Any = database.engine.dialect
    connections: list[Any] = []

    def connect(_: Any, __: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if connections:
            raise RuntimeError("a rehearsal has one connection; two transactions at once would need two")
        connections.append(dialect.connect(*arguments, **options))
        return connections[0]

    event.listen(database.engine, "do_connect", connect)
    dialect.do_commit = dialect.do_rollback = lambda connection: None
    dialect.do_ping = lambda connection: True  # psycopg2 switches to autocommit for it, which ends a transaction
    try:
        yield
    finally:
        del dialect.do_commit, dialect.do_rollback, dialect.do_ping
        for one in connections:
            if not one.closed:
                one.rollback()
        database.close()
        event.remove(database.engine, "do_connect", connect)
