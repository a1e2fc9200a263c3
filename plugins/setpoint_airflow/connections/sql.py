"""``sql``: a SQLAlchemy engine of an Airflow connection to a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from setpoint_airflow.connections.contract import ConnectionProblemError, airflow_connection

CONNECT_SECONDS = 5
BUSY_SECONDS = 5
"""How long SQLite waits for a writer to finish."""

_TLS = ("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "channel_binding", "gssencmode", "options")


class SqlConnection:
    """Engines."""

    @staticmethod
    def client(kind: type[Any], connection: str | None, region: str | None) -> Any:
        """An engine that keeps no connection open. Nothing is connected to yet.

        The connection's provider says how the database is reached, when it is installed; PostgreSQL and SQLite need
        none.

        :raises ConnectionProblemError: the connection does not exist, is of no database, or its driver is missing.
        """
        from sqlalchemy import NullPool, create_engine
        from sqlalchemy.exc import SQLAlchemyError

        if connection is None:
            raise ConnectionProblemError("no Airflow connection is named: set connection in the metric")
        found = airflow_connection(connection, kind="of the database: postgres, mysql, snowflake")
        try:
            url, arguments = _address(found)
            return create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
        except (SQLAlchemyError, ImportError) as error:
            raise ConnectionProblemError(
                f"the Airflow connection {connection!r}: {error}. Install the driver this database needs, or put the "
                "connection right"
            ) from error


def _address(found: Any) -> tuple[Any, dict[str, Any]]:
    """A connection's URL, and what else its driver is to be told."""
    if plain := _PLAIN.get(found.conn_type):
        return plain(found)
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk.exceptions import AirflowException

    try:
        hook = found.get_hook()
    except AirflowException as error:
        raise ConnectionProblemError(
            f"the Airflow connection {found.conn_id!r} is of type {found.conn_type!r}, which no installed provider "
            "knows; install the provider of this database"
        ) from error
    if not isinstance(hook, DbApiHook):
        raise ConnectionProblemError(
            f"the Airflow connection {found.conn_id!r} is of type {found.conn_type!r}, which is no database"
        )
    try:
        return hook.sqlalchemy_url, {}
    except NotImplementedError:
        return hook.get_uri(), {}


def _postgres(found: Any) -> tuple[Any, dict[str, Any]]:
    from sqlalchemy import URL

    url = URL.create(
        "postgresql+psycopg2", found.login, found.password, found.host or "127.0.0.1", found.port, found.schema or None
    )
    extra: Mapping[str, Any] = found.extra_dejson
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "setpoint",
        # A line that went dead is noticed, also in the middle of an answer.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    return url, arguments | {key: extra[key] for key in _TLS if extra.get(key)}


def _sqlite(found: Any) -> tuple[Any, dict[str, Any]]:
    from sqlalchemy import URL

    path = found.host or found.schema
    if not path:
        raise ConnectionProblemError(f"the Airflow connection {found.conn_id!r} names no SQLite file: set its host")
    # Read only: a file that is not there is not made.
    url = URL.create("sqlite", database=f"file:{quote(path)}", query={"mode": "ro", "uri": "true"})
    return url, {"timeout": BUSY_SECONDS, "check_same_thread": False}


_PLAIN: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {
    "postgres": _postgres,
    "postgresql": _postgres,
    "sqlite": _sqlite,
}
