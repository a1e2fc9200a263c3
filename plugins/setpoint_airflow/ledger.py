"""The ledger as this Airflow deployment keeps it."""

from __future__ import annotations

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

from setpoint.ledger import Ledger, LedgerUnavailable
from setpoint.settings import load_settings


def ledger_url() -> str:
    """The ledger's SQLAlchemy URL: ``SETPOINT_LEDGER_URL``, else the connection that is named, else SQLite.

    :raises LedgerUnavailable: the named connection cannot be looked up. There is no going on with another ledger: it
        would know of no cooldown and no open change, and events committed to it would be lost to the real one.
    """
    settings = load_settings()
    if settings.ledger_connection is None:
        settings.data.mkdir(parents=True, exist_ok=True)
        return settings.ledger_url
    try:
        connection = Connection.get(settings.ledger_connection)
    except (AirflowNotFoundException, AirflowRuntimeError) as error:
        raise LedgerUnavailable(
            f"the ledger's Airflow connection {settings.ledger_connection!r} cannot be looked up: {error}. Create it, "
            "or set SETPOINT_LEDGER_URL; without either, unset SETPOINT_LEDGER_CONNECTION for SQLite in SETPOINT_DATA"
        ) from error
    # SQLAlchemy 2 knows "postgresql" only; an Airflow connection URI may begin with "postgres".
    return str(connection.get_uri()).replace("postgres://", "postgresql://", 1)


def open_ledger() -> Ledger:
    """Open (and when needed migrate) the ledger.

    :raises LedgerUnavailable: it cannot be reached; the message says where it was looked for.
    """
    return Ledger.open(ledger_url())
