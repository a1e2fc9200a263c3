"""``sql``: metrics out of a database, by the policy's own query, with parameters and nothing pasted in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from setpoint.model import Window
from setpoint.sources.contract import Fetched, MetricConfig, SourceError
from setpoint.sources.sql_metric import SqlMetric
from setpoint.sources.sql_text import parameters_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from setpoint.sources.collected import Collected

__all__ = ["SqlMetric", "SqlSource"]

TARGETS_PER_QUERY = 1_000
"""Names one ``IN`` gets: Oracle takes no more, and drivers count parameters."""
_ROWS_AT_ONCE = 20_000


class _TooManyRowsError(Exception):
    """The answer has more rows than the policy allows."""


@dataclass(frozen=True)
class _Asked:
    """One query: metrics that share it, over one window."""

    metrics: dict[str, SqlMetric]
    window: Window

    @property
    def first(self) -> SqlMetric:
        return next(iter(self.metrics.values()))


class SqlSource:
    """Asks a database.

    :param engine: a SQLAlchemy engine of the connection the policy names, that keeps no connection open.
    :param most_seconds: how long a query may take, where the policy would give it longer.
    """

    connection_type: ClassVar[str | None] = "sql"
    Config: ClassVar[type[MetricConfig]] = SqlMetric
    permissions: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = (
        "run query by hand as the connection's user: rows are to lie between :start and :end, in UTC, and "
        "columns.target is to hold the target's name"
    )

    def __init__(self, engine: Engine, *, most_seconds: float = 600.0) -> None:
        self._engine, self._most_seconds = engine, most_seconds

    def fetch(self, metrics: Mapping[str, SqlMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target, each over its own ``window_at(now)``; metrics with one query share it.

        An answer with more rows than ``row_limit``, or one that does not fit what the policy says of its columns, is an
        error of its metrics and none of it is used; a row without a readable time or value makes its target's series
        partial.

        :raises SourceError: the database could not be asked, refused the query, or did not answer in time.
        """
        from setpoint.sources.collected import Collected

        collected = Collected(metrics, targets, now)
        if targets:
            for asked in _sharing(metrics, now):
                self._ask(asked, collected)
        return collected.fetched()

    def _ask(self, asked: _Asked, collected: Collected) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from setpoint.sources.columns import ColumnError
        from setpoint.sources.sql_session import NotReadOnlyError, Stoppable

        config = asked.first
        session = Stoppable(
            self._engine,
            seconds=min(config.timeout.total_seconds(), self._most_seconds),
            zone=config.columns.time_zone or "UTC",
            by_privileges=config.read_only == "privileges",
        )
        try:
            answer = session.run(lambda connection: self._read(connection, asked, collected.targets))
        except NotReadOnlyError as error:
            raise SourceError(
                f"{_what(asked)}: for {error} no read-only transaction is known. Give the connection a user that "
                "cannot change anything, and set read_only: privileges",
                retryable=False,
            ) from error
        except TimeoutError as error:
            raise SourceError(f"{_what(asked)}: {error}; {_SLOW}", retryable=True) from error
        except SQLAlchemyError as error:
            raise _refused(asked, error) from error
        except (ColumnError, _TooManyRowsError) as error:
            for metric in asked.metrics:
                collected.failed(metric, f"the query's answer {error}")
            return
        for metric, points in answer:
            if len(points.unreadable):
                collected.partial(metric, f"the query's answer: {points.why}; left out", points.unreadable)
            collected.add(metric, points.times, points.codes, points.values)

    def _read(self, connection: Connection, asked: _Asked, targets: Sequence[str]) -> list[tuple[str, Any]]:
        """Every metric's points, piece by piece."""
        from setpoint.sources.by_name import ByName
        from setpoint.sources.columns import points_of

        config, rows, found = asked.first, 0, []
        whose = {name: ByName(metric.codes_of(targets)) for name, metric in asked.metrics.items()}
        called = list(dict.fromkeys(one for by_name in whose.values() for one in by_name.names))
        for parameters in self._parameters(asked, called):
            for table in self._tables(connection, asked, parameters):
                rows += table.num_rows
                if rows > config.row_limit:
                    raise _TooManyRowsError(
                        f"has more than {config.row_limit} rows (row_limit); none is used. Let the query answer for "
                        "the window, these targets and this metric alone, or raise row_limit"
                    )
                found += [
                    (name, points_of(table, metric.columns, whose[name], metric.name))
                    for name, metric in asked.metrics.items()
                ]
        return found

    def _parameters(self, asked: _Asked, called: Sequence[str]) -> Iterator[dict[str, Any]]:
        from setpoint.sources.sql_session import bound_moment

        columns, dialect = asked.first.columns, self._engine.dialect.name
        start, end = (
            bound_moment(moment, dialect=dialect, zone=columns.time_zone, unit=columns.time_unit)
            for moment in (asked.window.start, asked.window.end)
        )
        if "targets" not in parameters_of(asked.first.query):
            yield {"start": start, "end": end}
            return
        for first in range(0, len(called), TARGETS_PER_QUERY):
            yield {"start": start, "end": end, "targets": list(called[first : first + TARGETS_PER_QUERY])}

    def _tables(self, connection: Connection, asked: _Asked, parameters: dict[str, Any]) -> Iterator[Any]:
        import pyarrow as pa
        from sqlalchemy import bindparam, text

        from setpoint.sources.columns import ColumnError, column_of

        statement = text(asked.first.query.strip().rstrip(";"))
        if "targets" in parameters:
            statement = statement.bindparams(bindparam("targets", expanding=True))
        options = {"stream_results": True, "max_row_buffer": _ROWS_AT_ONCE}
        with connection.execute(statement, parameters, execution_options=options) as result:
            keys = list(result.keys())
            wanted = sorted({name for metric in asked.metrics.values() for name in metric.columns.names})
            for name in wanted:
                if keys.count(name) != 1:
                    raise ColumnError(
                        f"has {keys.count(name) or 'no'} column {name!r}; its columns are {', '.join(keys[:20])}. Name "
                        "them in the query (SELECT ts AS timestamp) or in columns"
                    )
            while rows := result.fetchmany(_ROWS_AT_ONCE):
                by_column = list(zip(*rows, strict=True))
                yield pa.table({name: column_of(by_column[keys.index(name)], name) for name in wanted})


_SLOW = "let the query use an index on its time column, ask for a shorter window, or raise timeout"


def _sharing(metrics: Mapping[str, SqlMetric], now: datetime) -> Iterator[_Asked]:
    same: dict[Any, dict[str, SqlMetric]] = {}
    for name, config in metrics.items():
        times = (config.columns.time_zone, config.columns.time_unit)
        key = (config.window_at(now), config.query, times, config.row_limit, config.timeout, config.read_only)
        same.setdefault(key, {})[name] = config
    for key, sharing in same.items():
        yield _Asked(sharing, key[0])


def _what(asked: _Asked) -> str:
    span = f"{asked.window.start:%FT%TZ} to {asked.window.end:%FT%TZ}"
    return f"the query of {', '.join(asked.metrics)} over connection {asked.first.connection}, {span}"


def _refused(asked: _Asked, error: Any) -> SourceError:
    """A database's error as ours, with whether the same query may succeed later."""
    orig = getattr(error, "orig", None) or error
    said = " ".join(str(orig).split())[:500]
    retryable = _may_pass(error, orig, said)
    slow = getattr(orig, "pgcode", None) == "57014" or getattr(orig, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
    todo = (
        _SLOW
        if slow
        else "it may pass by itself"
        if retryable
        else "put right the query, or let the connection's user read what it asks for"
    )
    return SourceError(f"{_what(asked)}: {type(orig).__name__}: {said}; {todo}", retryable=retryable)


# SQLSTATE classes (PostgreSQL's documentation, appendix A): connection, rolled back, resources, not in the right state,
# operator intervention, system error, internal error.
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
_PASSING_SQLITE = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_IOERR",
    "SQLITE_INTERRUPT",
    "SQLITE_NOMEM",
    "SQLITE_CANTOPEN",
)
_REFUSED_AT_THE_DOOR = ("authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied")


def _may_pass(error: Any, orig: Any, said: str) -> bool:
    from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

    if isinstance(error, DBAPIError) and (code := getattr(orig, "pgcode", None)):
        return str(code).startswith(_PASSING_CLASSES)
    if name := getattr(orig, "sqlite_errorname", None):
        return str(name).startswith(_PASSING_SQLITE)
    # Before a connection is there, a driver has only words.
    passing = isinstance(error, (OperationalError, InterfaceError, InternalError))
    return passing and not any(words in said for words in _REFUSED_AT_THE_DOOR)
