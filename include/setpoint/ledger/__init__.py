"""The ledger: a durable inbox, the state of every change, and an append-only record of every value.

SQLite by default, PostgreSQL in production; the same statements and the same promises on both.
"""

from setpoint.ledger.errors import (
    AmbiguousReference,
    Conflict,
    CorruptRecord,
    IllegalTransition,
    LedgerError,
    LedgerMismatch,
    LedgerUnavailable,
    NotRecorded,
    TargetBusy,
)
from setpoint.ledger.ledger import Ledger
from setpoint.ledger.migrate import migrate, revision
from setpoint.ledger.records import (
    Accepted,
    ChangeStep,
    ChangeStory,
    Delivered,
    EventStory,
    Explanation,
    Fate,
    Finding,
    HistoryRow,
    Moment,
    Reject,
    Released,
    Run,
)

__all__ = [
    "Accepted",
    "AmbiguousReference",
    "ChangeStep",
    "ChangeStory",
    "Conflict",
    "CorruptRecord",
    "Delivered",
    "EventStory",
    "Explanation",
    "Fate",
    "Finding",
    "HistoryRow",
    "IllegalTransition",
    "Ledger",
    "LedgerError",
    "LedgerMismatch",
    "LedgerUnavailable",
    "Moment",
    "NotRecorded",
    "Reject",
    "Released",
    "Run",
    "TargetBusy",
    "migrate",
    "revision",
]
