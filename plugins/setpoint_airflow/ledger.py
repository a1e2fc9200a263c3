"""The ledger as this Airflow deployment keeps it."""

from __future__ import annotations

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

from setpoint.ledger import Ledger
from setpoint.settings import load_settings

LEDGER_CONNECTION = "setpoint_ledger"


def ledger_url() -> str:
    """The ledger's SQLAlchemy URL: ``SETPOINT_LEDGER_URL``, else the connection ``setpoint_ledger``, else SQLite."""
    settings = load_settings()
    if not settings.ledger_is_default:
        return settings.ledger_url
    try:
        connection = Connection.get(LEDGER_CONNECTION)
    except (AirflowNotFoundException, AirflowRuntimeError):
        settings.data.mkdir(parents=True, exist_ok=True)
        return settings.ledger_url
    # SQLAlchemy 2 knows "postgresql" only; an Airflow connection URI may begin with "postgres".
    return str(connection.get_uri()).replace("postgres://", "postgresql://", 1)


def open_ledger() -> Ledger:
    """Open (and when needed migrate) the ledger.

    :raises LedgerError: it cannot be reached; the message says where it was looked for.
    """
    return Ledger.open(ledger_url())
