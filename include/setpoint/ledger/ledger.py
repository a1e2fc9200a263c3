"""The ledger as one thing."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sqlalchemy import false, literal, select, union_all

from setpoint.ledger.accounting import Books
from setpoint.ledger.batches import Batches
from setpoint.ledger.changes import Changes
from setpoint.ledger.database import Database
from setpoint.ledger.explain import Explain
from setpoint.ledger.findings import Findings
from setpoint.ledger.forgetting import Forgetting
from setpoint.ledger.history import History
from setpoint.ledger.inbox import Inbox
from setpoint.ledger.incidents import Incidents
from setpoint.ledger.memory import Memory
from setpoint.ledger.messages import Messages
from setpoint.ledger.migrate import bring_up_to_date
from setpoint.ledger.outcomes import Outcomes
from setpoint.ledger.receipts import Receipts
from setpoint.ledger.rejects import Rejects
from setpoint.ledger.runs import Runs
from setpoint.ledger.series_history import SeriesHistories
from setpoint.ledger.store import Clock, utc_now
from setpoint.ledger.streaks import Streaks
from setpoint.ledger.tables import Base
from setpoint.ledger.wakes import Wakes


class Ledger(
    Receipts,
    Rejects,
    Wakes,
    Inbox,
    Books,
    Batches,
    Runs,
    Changes,
    Outcomes,
    Memory,
    Streaks,
    Incidents,
    SeriesHistories,
    Forgetting,
    Findings,
    History,
    Explain,
    Messages,
):
    """The durable record of everything Setpoint saw, decided and did.

    Safe for many processes and threads at once. Every method is one transaction: all of it is kept, or nothing. Each
    raises :class:`setpoint.ledger.LedgerUnavailable` when the database cannot be reached or gives up. Every method
    that writes may be called again with the same arguments after a crash.
    """

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now) -> Self:
        """Open a ledger, and create or migrate it when that is needed; one query when it is not.

        :param url: ``sqlite:////path/ledger.db`` or ``postgresql://user:password@host/database``.
        :param clock: tells the time where no caller says it; for tests.
        :raises LedgerUnavailable: the database cannot be reached.
        :raises LedgerMismatch: a newer Setpoint has written this ledger.
        :raises LedgerError: the URL is of neither kind.
        """
        database = Database(url)
        try:
            bring_up_to_date(database)
        except BaseException:
            database.close()
            raise
        return cls(database, clock)

    def meet(self) -> None:
        """Let a PostgreSQL server learn the tables in this process's connection, which stays open until the close.

        Its backend reads the catalogue when a table is first named, half a millisecond each. On SQLite it is nothing.

        :raises LedgerUnavailable: the database cannot be reached.
        """
        if self._database.is_sqlite:
            return
        nothing = (select(literal(1)).select_from(table).where(false()) for table in Base.metadata.sorted_tables)
        with self._database.read() as connection:
            connection.execute(union_all(*nothing))

    @property
    def url(self) -> str:
        """Where the ledger is, without the password."""
        return self._database.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give back the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
