"""The ledger: a durable inbox, the state of every change, and an append-only record of every value.

SQLite by default, PostgreSQL in production; the same statements and the same promises on both.
"""

from setpoint.ledger.changes import Begun
from setpoint.ledger.errors import (
    AmbiguousReference,
    Conflict,
    CorruptRecord,
    EventsLost,
    IllegalTransition,
    LeaseHeld,
    LeaseLost,
    LedgerError,
    LedgerMismatch,
    LedgerUnavailable,
    NotRecorded,
    TargetBusy,
)
from setpoint.ledger.leases import CALL_SECONDS, LEASE_SECONDS, Lease
from setpoint.ledger.ledger import Ledger
from setpoint.ledger.migrate import migrate, revision
from setpoint.ledger.records import (
    Accepted,
    Accounting,
    ChangeStep,
    ChangeStory,
    Delivered,
    EventStory,
    Explanation,
    Fate,
    Finding,
    HistoryRow,
    Moment,
    Receipt,
    ReceiptFate,
    Received,
    Reject,
    RejectState,
    Released,
    Run,
)

__all__ = [
    "CALL_SECONDS",
    "LEASE_SECONDS",
    "Accepted",
    "Accounting",
    "AmbiguousReference",
    "Begun",
    "ChangeStep",
    "ChangeStory",
    "Conflict",
    "CorruptRecord",
    "Delivered",
    "EventStory",
    "EventsLost",
    "Explanation",
    "Fate",
    "Finding",
    "HistoryRow",
    "IllegalTransition",
    "Lease",
    "LeaseHeld",
    "LeaseLost",
    "Ledger",
    "LedgerError",
    "LedgerMismatch",
    "LedgerUnavailable",
    "Moment",
    "NotRecorded",
    "Receipt",
    "ReceiptFate",
    "Received",
    "Reject",
    "RejectState",
    "Released",
    "Run",
    "TargetBusy",
    "migrate",
    "revision",
]
