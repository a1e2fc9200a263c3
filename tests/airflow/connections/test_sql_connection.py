"""From an Airflow connection to a database's engine."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from setpoint.sources.sql import SqlSource
from setpoint_airflow.connections.contract import ConnectionProblemError
from setpoint_airflow.connections.sql import SqlConnection


def engine_of(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Engine:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
    made: Engine = SqlConnection.client(SqlSource, "warehouse", None)
    return made


def test_postgresql_has_time_limits_and_hides_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, database and user of the connection; a dead line is noticed; TLS as the connection's extra says."""
    engine = engine_of(
        monkeypatch,
        conn_type="postgres",
        host="db.example",
        port=5433,
        login="reader",
        password="p@ss/word",
        schema="metrics",
        extra={"sslmode": "verify-full", "sslrootcert": "/ca.pem", "cursor": "dictcursor"},
    )
    assert engine.url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://reader:p%40ss%2Fword@db.example:5433/metrics"
    )
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert arguments["host"] == "db.example"
    assert "p@ss" not in repr(engine)


def test_sqlite_is_opened_for_reading_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is there is read and not written; one that is not there is not made."""
    path = tmp_path / "some metrics?.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE samples (ts)")
    made.close()
    with engine_of(monkeypatch, conn_type="sqlite", host=str(path)).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM samples")).scalar_one() == 0
        with pytest.raises(OperationalError, match="readonly"):
            connection.execute(text("INSERT INTO samples VALUES (1)"))
    with pytest.raises(OperationalError):
        engine_of(monkeypatch, conn_type="sqlite", host=str(tmp_path / "missing.db")).connect()
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"conn_type": "aws"}, "'warehouse' is of type 'aws', which is no database"),
        ({"conn_type": "oracle"}, "'oracle', which no installed provider knows; install the provider"),
        ({"conn_type": "sqlite"}, "names no SQLite file: set its host"),
    ],
)
def test_a_connection_that_does_not_do_is_named(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], said: str
) -> None:
    """The message names the connection and what to do."""
    with pytest.raises(ConnectionProblemError, match=said):
        engine_of(monkeypatch, **fields)


def test_a_missing_connection_is_named() -> None:
    """Both ways to make it stand in the message."""
    with pytest.raises(ConnectionProblemError, match=r"'nowhere' does not exist.*AIRFLOW_CONN_NOWHERE"):
        SqlConnection.client(SqlSource, "nowhere", None)
