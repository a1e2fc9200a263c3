"""The ledger the command line reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from setpoint.cli.output import CommandError, ExitCode
from setpoint.cli.quiet import quiet_airflow

if TYPE_CHECKING:
    from setpoint.ledger import Ledger

_SQLITE = "sqlite:///"


def ledger_url() -> str:
    """Where the ledger is: ``SETPOINT_LEDGER_URL``, else the Airflow connection that is named, else SQLite."""
    from setpoint.settings import load_settings

    settings = load_settings()
    if settings.ledger_connection is None:
        return settings.ledger_url
    # Airflow takes seconds to import, so it is only asked where it has something to say.
    quiet_airflow()
    from setpoint_airflow.ledger import ledger_url as airflow_ledger_url

    return airflow_ledger_url()


@contextmanager
def reading_ledger() -> Iterator[Ledger]:
    """The ledger, for reading. Unlike a run, looking makes no ledger where there is none.

    :raises CommandError: there is no ledger yet.
    """
    url = ledger_url()
    if is_missing(url):
        raise CommandError(
            f"there is no ledger at {url.removeprefix(_SQLITE)} yet: the first run makes it. If yours is elsewhere, "
            "set SETPOINT_LEDGER_URL (or SETPOINT_DATA)",
            ExitCode.ENVIRONMENT,
        )
    from setpoint.ledger import Ledger

    with Ledger.open(url) as ledger:
        yield ledger


def is_missing(url: str) -> bool:
    """Whether the URL is that of an SQLite file that does not exist."""
    return url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE).partition("?")[0]).exists()
