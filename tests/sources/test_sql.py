"""Metrics out of a database: the query, its parameters, and what becomes of answers that do not fit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, NullPool, create_engine, text

from setpoint.model import Completeness
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.sql import SqlMetric, SqlSource
from setpoint.sources.sql_text import parameters_of, query_problem

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BOUNDS = "ts >= :start AND ts < :end"
QUERY = f"SELECT ts, host, load FROM samples WHERE {BOUNDS} AND host IN :targets"
COLUMNS = {"timestamp": "ts", "target": "host", "value": "load"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An SQLite file with a table, open for writing."""
    connection = sqlite3.connect(tmp_path / "metrics.db", isolation_level=None)
    connection.execute("CREATE TABLE samples (ts, host TEXT, metric TEXT, load)")
    yield connection
    connection.close()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An engine that could write: what keeps it from writing is the source."""
    return create_engine(
        f"sqlite:///{tmp_path / 'metrics.db'}", poolclass=NullPool, connect_args={"check_same_thread": False}
    )


def put(database: sqlite3.Connection, *rows: tuple[Any, ...]) -> None:
    database.execute("BEGIN")
    database.executemany("INSERT INTO samples (ts, host, load) VALUES (?, ?, ?)", rows)
    database.execute("COMMIT")


def metric(**keys: Any) -> SqlMetric:
    common = {"source": "sql", "connection": "warehouse", "query": QUERY, "period": "1m", "window": "10m"}
    return SqlMetric.model_validate({**common, "columns": COLUMNS, **keys})


def fetch(engine: Engine, targets: tuple[str, ...] = ("web",), **keys: Any) -> Fetched:
    return SqlSource(engine).fetch({"load": metric(**keys)}, targets, NOW)


def values(fetched: Fetched) -> list[float]:
    return [float(one) for one in fetched.frame["value"]]


@pytest.mark.parametrize(
    ("inside", "outside", "columns"),
    [
        ("2026-03-01T11:59:00Z", "2026-03-01T12:00:00Z", {}),
        ("2026-03-01 12:59:00", "2026-03-01 11:59:00", {"time_zone": "Europe/Berlin"}),
        (1772366340, 1772366400, {"time_unit": "s"}),
        (1772366340_000, 1772366400_000, {"time_unit": "ms"}),
    ],
)
def test_the_window_is_asked_for_in_the_columns_own_terms(
    database: sqlite3.Connection, engine: Engine, inside: Any, outside: Any, columns: dict[str, str]
) -> None:
    """Text in UTC, text of the zone the policy names, or numbers: the parameters compare with what the column holds."""
    put(database, (inside, "web", 1.5), (outside, "web", 2.5))
    fetched = fetch(engine, columns={**COLUMNS, **columns})
    assert values(fetched) == [1.5]
    assert list(fetched.frame["timestamp"]) == [datetime(2026, 3, 1, 11, 59, tzinfo=UTC)]
    assert fetched.series[0].status is Completeness.COMPLETE


def test_a_query_without_targets_gets_only_those_asked_for(database: sqlite3.Connection, engine: Engine) -> None:
    """:targets is optional; rows of others are nobody's."""
    put(database, ("2026-03-01T11:59:00Z", "web", 1), ("2026-03-01T11:59:00Z", "other", 2))
    fetched = fetch(engine, query=f"SELECT ts, host, load FROM samples WHERE {BOUNDS}")
    assert (values(fetched), len(fetched.series)) == ([1.0], 1)


def test_a_large_fleet_is_asked_for_in_parts(database: sqlite3.Connection, engine: Engine) -> None:
    """2,500 targets and 50,000 rows: several statements, several fetches of each cursor, every row once."""
    fleet = tuple(f"web-{number}" for number in range(2500))
    put(
        database,
        *[(f"2026-03-01T11:{second // 2:02d}:{second % 2 * 30:02d}Z", name, 1.0)
          for name in fleet for second in range(100, 120)],
    )  # fmt: skip
    fetched = fetch(engine, fleet)
    assert len(fetched.frame) == 50_000
    assert {one.points for one in fetched.series} == {20}


def test_metrics_of_one_query_share_it(database: sqlite3.Connection, engine: Engine) -> None:
    """Two columns of one query, and two metrics of one column, come from one execution."""
    database.execute("INSERT INTO samples VALUES ('2026-03-01T11:59:00Z', 'web', 'cpu', 1)")
    database.execute("INSERT INTO samples VALUES ('2026-03-01T11:59:00Z', 'web', 'mem', 2)")
    executed: list[str] = []
    from sqlalchemy import event

    event.listen(engine, "before_cursor_execute", lambda *told: executed.append(told[2]))
    query = f"SELECT ts, host, metric, load FROM samples WHERE {BOUNDS} AND host IN :targets"
    columns = {**COLUMNS, "metric": "metric"}
    wanted = {name: metric(query=query, columns=columns, name=name) for name in ("cpu", "mem")}
    fetched = SqlSource(engine).fetch(wanted, ("web",), NOW)
    assert fetched.frame.set_index("metric")["value"].to_dict() == {"cpu": 1.0, "mem": 2.0}
    assert len([one for one in executed if one.startswith("SELECT")]) == 1


@pytest.mark.parametrize(
    ("row", "keys", "said"),
    [
        (("2026-03-01T11:59:00", "web", 1), {}, "without a zone"),
        ((1772366340, "web", 1), {"query": QUERY.replace(BOUNDS, ":start < :end")}, "set time_unit"),
        (("2026-03-01T11:59:00Z", "web", 1), {"columns": {**COLUMNS, "value": "cpu"}}, "no column 'cpu'; its columns"),
        (("2026-03-01T11:59:00Z", "web", b"1"), {}, "values are numbers"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error(
    database: sqlite3.Connection, engine: Engine, row: tuple[Any, ...], keys: dict[str, Any], said: str
) -> None:
    """Nothing is guessed; the message says what to write."""
    put(database, row)
    fetched = fetch(engine, **keys)
    assert (fetched.series[0].status, len(fetched.frame)) == (Completeness.ERROR, 0)
    assert said in fetched.series[0].messages[0]


def test_more_rows_than_the_limit_are_not_used(database: sqlite3.Connection, engine: Engine) -> None:
    """A cut answer has holes nobody knows of, so none of it is used."""
    put(database, *[(f"2026-03-01T11:5{number}:00Z", "web", number) for number in range(4)])
    fetched = fetch(engine, row_limit=3)
    assert (fetched.series[0].status, len(fetched.frame)) == (Completeness.ERROR, 0)
    assert "more than 3 rows" in fetched.series[0].messages[0]
    assert len(fetch(engine, row_limit=4).frame) == 4


def test_a_missing_value_stays_missing_and_a_bad_one_is_told(database: sqlite3.Connection, engine: Engine) -> None:
    """NULL is a point without a value; text that is no number is left out, and its series is partial."""
    put(database, ("2026-03-01T11:57:00Z", "web", None), ("2026-03-01T11:58:00Z", "web", None))
    put(database, ("2026-03-01T11:59:00Z", "api", "n.v."))
    web, api = fetch(engine, ("web", "api")).series
    assert (web.status, web.points) == (Completeness.COMPLETE, 2)
    assert (api.status, api.points) == (Completeness.PARTIAL, 0)
    assert "1 rows have no number in load" in api.messages[0]


def test_a_query_cannot_write(database: sqlite3.Connection, engine: Engine) -> None:
    """The database itself refuses, whatever the text looked like."""
    database.execute("CREATE TABLE log (at)")
    sneaky = "WITH x AS (SELECT 1) INSERT INTO log SELECT :start WHERE :end <> ''"
    with pytest.raises(SourceError, match="readonly") as raised:
        fetch(engine, query=sneaky)
    assert not raised.value.retryable
    assert database.execute("SELECT count(*) FROM log").fetchone() == (0,)


def test_a_mistake_in_the_query_is_not_tried_again(engine: Engine, database: sqlite3.Connection) -> None:
    """The database's own words, which query it was, and what to do."""
    with pytest.raises(
        SourceError, match=r"query of load over connection warehouse.*no such table: nowhere.*put right"
    ) as raised:
        fetch(engine, query=QUERY.replace("samples", "nowhere"))
    assert not raised.value.retryable


def test_a_database_without_a_known_read_only_transaction(monkeypatch: pytest.MonkeyPatch, database: sqlite3.Connection,
                                                          engine: Engine) -> None:  # fmt: skip
    """It is not asked unless the policy says that the user's privileges keep the query from writing."""
    put(database, ("2026-03-01T11:59:00Z", "web", 1))
    monkeypatch.setattr("setpoint.sources.sql_session.READ_ONLY_DIALECTS", ("postgresql",))
    with pytest.raises(SourceError, match="set read_only: privileges"):
        fetch(engine)
    assert values(fetch(engine, read_only="privileges")) == [1.0]


def test_a_query_that_takes_too_long_is_ended(database: sqlite3.Connection, engine: Engine) -> None:
    """The time limit is the database's own, and may be met the next time."""
    endless = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS ts, x AS host, x AS load FROM n"
    )
    with pytest.raises(SourceError, match="raise timeout") as raised:
        fetch(engine, query=f"{endless} WHERE x < 0 AND :start < :end", timeout="1s")
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"DELETE FROM samples WHERE {BOUNDS}", "begins with SELECT or WITH"),
        (f"{QUERY}; DROP TABLE samples", "one statement"),
        ("SELECT ts, host, load FROM samples WHERE ts > :start", "does not use :end"),
        ("SELECT 1", "does not use :start"),
        (QUERY.replace(":targets", ":target"), "no parameter :target; there are :start, :end, :targets; did"),
        (QUERY.replace("IN :targets", "IN (:targets)"), "without brackets"),
        (QUERY.replace("IN :targets", "= :targets"), "without brackets"),
        (f"{QUERY} AND host <> '{{{{ params.host }}}}'", "not a template"),
        (f"{QUERY} AND note <> ' :note'", r"write \:note"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_meant_is_refused(query: str, said: str) -> None:
    """Each mistake in words that say what to write instead."""
    with pytest.raises(ValidationError) as raised:
        metric(query=query)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "query",
    [
        f"{QUERY};\n",
        f"-- the fleet; all of it\nWITH recent AS (SELECT * FROM samples WHERE {BOUNDS}) SELECT * FROM recent",
        f"SELECT ts::timestamptz, host, load FROM samples WHERE {BOUNDS} AND note <> 'a;b' AND host in  :targets",
        rf"SELECT ts, host, load FROM samples WHERE {BOUNDS} AND at = '12\:30'",
        f"SELECT ts, $q$;$q$ AS host, load FROM samples WHERE {BOUNDS} /* ; */",
    ],
)
def test_a_plain_query_is_taken(query: str) -> None:
    """Casts, comments, quoted semicolons and a semicolon at the end are no mistakes."""
    assert query_problem(query) is None


@given(st.text(alphabet=":;'\"\\ stargend$-/*\n(){%", max_size=40))
def test_the_parameters_are_those_the_database_library_finds(tail: str) -> None:
    """What is checked is what is bound: no text hides a parameter from one of the two."""
    query = f"SELECT 1 WHERE :start < :end {tail}"
    assert parameters_of(query) == frozenset(text(query)._bindparams)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"timeout": "0s"}, "between 1s and 10m"),
        ({"columns": {**COLUMNS, "metric": "m"}}, "belong together"),
        ({"window": "90s"}, "such as 1m or 2m"),
        ({"row_limit": 0}, "greater than or equal to 1"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(keys: dict[str, Any], said: str) -> None:
    """Limits and pairs of keys."""
    with pytest.raises(ValidationError) as raised:
        metric(**keys)
    assert said in str(raised.value)
