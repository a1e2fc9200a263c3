"""The world of ``sql``: a real SQLite file. PostgreSQL has tests of its own (``test_sql_postgres.py``)."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import NullPool, create_engine, event
from worlds.base import Ability, Points, World

from setpoint.sources.sql import SqlMetric, SqlSource

QUERY = "SELECT at, host, load FROM samples WHERE at >= :start AND at < :end AND host IN :targets ORDER BY host, at"
ENDLESS = """CREATE VIEW samples AS WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
SELECT 'x' || n AS at, 'x' || n AS host, 0 AS load FROM numbers"""


class SqlWorld(World):
    """A table of samples."""

    registered: ClassVar[str] = "sql"
    lacks: ClassVar[Mapping[Ability, str]] = {
        "pages": "a cursor has no pages; answers of several fetches of the cursor are in test_sql.py",
        "throttles": "a database does not throttle; one that is busy is asked again by the next try of the task",
    }

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="setpoint-sql-")
        self._path = Path(self._folder.name) / "metrics.db"
        self._writer: sqlite3.Connection | None = None
        self._denied = False

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._folder.cleanup()

    def source(self, timeout_seconds: float = 30.0) -> SqlSource:
        engine = create_engine(
            f"sqlite:///file:{self._path}?mode=ro&uri=true",
            poolclass=NullPool,
            connect_args={"timeout": 0.2, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def limit_rights(connection: Any, record: Any) -> None:
            if self._denied:
                connection.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)

        return SqlSource(engine, most_seconds=timeout_seconds)

    def metric(self, **keys: Any) -> SqlMetric:
        columns = {"timestamp": "at", "target": "host", "value": "load"}
        common = {"source": "sql", "connection": "warehouse", "query": QUERY, "columns": columns, "timeout": "10m"}
        return SqlMetric.model_validate({**common, "period": "1m", "window": "10m", **keys})

    def put(self, points: Mapping[str, Points]) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("DROP TABLE IF EXISTS samples")
            connection.execute("CREATE TABLE samples (at TEXT, host TEXT, load)")
            connection.executemany(
                "INSERT INTO samples VALUES (?, ?, ?)",
                [(f"{at:%FT%TZ}", target, value) for target, own in points.items() for at, value in own],
            )

    def fail(self, times: int) -> None:
        self._writer = sqlite3.connect(self._path, isolation_level=None)
        self._writer.execute("BEGIN EXCLUSIVE")

    def deny(self) -> None:
        self._denied = True

    def say_partial(self, target: str) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("INSERT INTO samples VALUES ('2026-03-01T11:55:00Z', ?, 'n.v.')", (target,))

    def hang(self) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("DROP TABLE samples")
            connection.execute(ENDLESS)

    def wait_until_hanging(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.open_connections() == 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def open_connections(self) -> int:
        files = Path("/proc/self/fd")
        return sum(_points_to(files / name, self._path) for name in os.listdir(files))


def _points_to(link: Path, path: Path) -> bool:
    try:
        return os.readlink(link) == str(path)
    except FileNotFoundError:
        return False
