"""The ``sql`` source on a real PostgreSQL, reached through an Airflow connection."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from setpoint.model import Completeness
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.sql import SqlMetric, SqlSource
from setpoint.stack.postgres import TemporaryPostgres
from setpoint_airflow.connections.sql import SqlConnection

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COLUMNS = {"timestamp": "ts", "target": "host", "value": "load"}
BOUNDS = "ts >= :start AND ts < :end AND host IN :targets"
QUERY = f"SELECT ts, host, load FROM samples WHERE {BOUNDS}"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database with samples, some in columns without a zone, and a user who may only log in."""
    with TemporaryPostgres() as server:
        url = server.create_database("metrics")
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE samples (ts timestamptz, local timestamp, host text, load numeric)"))
            connection.execute(
                text(
                    "INSERT INTO samples SELECT at, at AT TIME ZONE 'America/New_York', 'web-' || n, n + 0.5 "
                    "FROM generate_series(0, 49) n, "
                    "generate_series('2026-03-01T10:00Z'::timestamptz, '2026-03-01T18:00Z', '1 minute') at"
                )
            )
            connection.execute(text("CREATE ROLE reader LOGIN PASSWORD 'reader-only'"))
        engine.dispose()
        yield url


@pytest.fixture
def engine(database: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """What the connection type makes of an Airflow connection."""
    return engine_of(database, monkeypatch)


def engine_of(url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", plain)
    made: Engine = SqlConnection.client(SqlSource, "warehouse", None)
    return made


def metric(**keys: Any) -> SqlMetric:
    common = {"source": "sql", "connection": "warehouse", "query": QUERY, "period": "1m", "window": "10m"}
    return SqlMetric.model_validate({**common, "columns": COLUMNS, **keys})


def fetch(engine: Engine, targets: tuple[str, ...] = ("web-1",), **keys: Any) -> Fetched:
    return SqlSource(engine).fetch({"load": metric(**keys)}, targets, NOW)


def others(database: str) -> int:
    """Connections to the database besides the one that asks."""
    engine = create_engine(database)
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'setpoint'")
        found = int(connection.execute(query).scalar_one())
    engine.dispose()
    return found


def test_a_fleet_is_read(engine: Engine, database: str) -> None:
    """Times with a zone, numeric values, a list of targets; and no connection stays."""
    fleet = tuple(f"web-{number}" for number in range(60))
    fetched = fetch(engine, fleet)
    assert len(fetched.frame) == 500
    assert [(one.points, one.status) for one in fetched.series[:50]] == [(10, Completeness.COMPLETE)] * 50
    assert [one.points for one in fetched.series[50:]] == [0] * 10
    assert fetched.frame["timestamp"].min() == datetime(2026, 3, 1, 11, 50, tzinfo=UTC)
    assert fetched.frame.groupby("target")["value"].max()["web-7"] == 7.5
    assert others(database) == 0


def test_a_column_without_a_zone_is_read_in_the_zone_the_policy_names(engine: Engine) -> None:
    """Refused without one; with it the window and the points are those moments."""
    query = QUERY.replace("ts,", "local,").replace("ts ", "local ")
    columns = {**COLUMNS, "timestamp": "local"}
    fetched = fetch(engine, query=query, columns=columns)
    assert fetched.series[0].status is Completeness.ERROR
    fetched = fetch(engine, query=query, columns={**columns, "time_zone": "America/New_York"})
    assert (fetched.series[0].status, fetched.series[0].points) == (Completeness.COMPLETE, 10)
    assert fetched.frame["timestamp"].min() == datetime(2026, 3, 1, 11, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        f"WITH gone AS (DELETE FROM samples RETURNING *) SELECT * FROM gone WHERE {BOUNDS}",
        f"SELECT ts, host, load FROM samples WHERE {BOUNDS} FOR UPDATE",
        f"SELECT nextval('numbers') AS ts, host, load FROM samples WHERE {BOUNDS}",
    ],
)
def test_a_query_cannot_write(engine: Engine, database: str, query: str) -> None:
    """The transaction is read-only, also for what begins as a query does."""
    writer = create_engine(database)
    with writer.begin() as connection:
        connection.execute(text("CREATE SEQUENCE IF NOT EXISTS numbers"))
        before = connection.execute(text("SELECT count(*) FROM samples")).scalar_one()
    with pytest.raises(SourceError, match=r"read-only transaction|data-modifying") as raised:
        fetch(engine, query=query)
    assert not raised.value.retryable
    with writer.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM samples")).scalar_one() == before
    writer.dispose()


def test_a_slow_query_is_ended_by_the_server(engine: Engine, database: str) -> None:
    """The statement's own time limit: the server stops working for us."""
    slow = f"SELECT ts, host, load FROM samples, pg_sleep(60) WHERE {BOUNDS}"
    with pytest.raises(SourceError, match=r"statement timeout.*raise timeout") as raised:
        fetch(engine, query=slow, timeout="1s")
    assert raised.value.retryable
    assert others(database) == 0


class Interruption(BaseException):
    """As Airflow ends a task at its time limit."""


def test_an_interrupted_query_ends_promptly(engine: Engine, database: str) -> None:
    """While the server is working, the fetch is interrupted: it ends, and no thread stays."""
    slow = f"SELECT ts, host, load FROM samples, pg_sleep(120) WHERE {BOUNDS}"

    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while others(database) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGUSR1)

    def interrupted(*_: Any) -> None:
        raise Interruption

    before = set(threading.enumerate())
    helper = threading.Thread(target=interrupt)
    usual = signal.signal(signal.SIGUSR1, interrupted)
    began = time.monotonic()
    try:
        helper.start()
        with pytest.raises(Interruption):
            fetch(engine, query=slow, timeout="10m")
    finally:
        helper.join()
        signal.signal(signal.SIGUSR1, usual)
    assert time.monotonic() - began < 100, "it waited for the query"
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("change", "said", "retryable"),
    [
        ({"username": "reader", "password": "reader-only"}, "permission denied for table samples", False),
        ({"username": "reader", "password": "wrong"}, "password authentication failed", False),
        ({"database": "nowhere"}, 'database "nowhere" does not exist', False),
        ({"port": 1}, "Connection refused", True),
    ],
)
def test_what_cannot_be_asked_says_why(
    database: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str, retryable: bool
) -> None:
    """The database's words, and whether trying again is any use; the password stands in none of them."""
    url = make_url(database).set(**change)
    with pytest.raises(SourceError, match=said) as raised:
        fetch(engine_of(url.render_as_string(hide_password=False), monkeypatch))
    assert raised.value.retryable is retryable
    assert str(url.password) not in str(raised.value)
