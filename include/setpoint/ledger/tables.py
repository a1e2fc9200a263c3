"""The tables. Current state in its own tables, and every value once more, append-only, in ``setpoint_entries``.

The classes only declare typed columns; statements are SQLAlchemy Core on a connection, there is no session.
All names start with ``setpoint_`` so that the ledger can share a database with Airflow's metadata.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, MetaData, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from setpoint.ledger.types import Document, OutsideText, RowId, UtcTime

VERSION_TABLE = "setpoint_version"
"""Alembic's own table, apart from the one of an application that shares the database."""

HEAD = "0004"
"""The newest revision under ``migrations/versions``; a test compares the two."""


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this attribute, nobody changes it
        datetime: UtcTime,
        dict[str, Any]: Document,
    }


class ReceiptRow(Base):
    """What became of each message, whichever way it came: one row for a message, however often it is delivered.

    Its key is a digest of source and message id, which know no length. ``body`` is kept of a message nobody wanted, so
    that it can be read again; a refused one's is in ``setpoint_rejects``.
    """

    __tablename__ = "setpoint_receipts"
    __table_args__ = (
        Index("ix_setpoint_receipts_received", "received_at"),
        Index("ix_setpoint_receipts_fate", "fate", "received_at"),
    )

    receipt_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(OutsideText)
    message_id: Mapped[str] = mapped_column(OutsideText)
    fate: Mapped[str] = mapped_column(String(20))
    event_ids: Mapped[list[str]] = mapped_column(Document)
    origin: Mapped[dict[str, Any] | None] = mapped_column(Document)
    body: Mapped[str | None] = mapped_column(OutsideText)
    received_at: Mapped[datetime]


class EventRow(Base):
    """The inbox: every event accepted, once. ``value`` is never updated.

    ``identity`` is the sender's own of the event, and ``event_id`` the ledger's: the same, but where an identity counts
    anew because the dedupe window has passed; ``generation`` counts these.
    """

    __tablename__ = "setpoint_events"
    __table_args__ = (Index("ix_setpoint_events_identity", "identity", "generation"),)

    event_id: Mapped[str] = mapped_column(OutsideText, primary_key=True)
    identity: Mapped[str] = mapped_column(OutsideText)
    generation: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(OutsideText)
    unwanted: Mapped[bool] = mapped_column(Boolean)
    received_at: Mapped[datetime]
    value: Mapped[dict[str, Any]]


class DeliveryRow(Base):
    """One event on its way to one policy.

    ::

        counting -> waiting -> taken -> acted | held | quarantined | failed
           |         |   ^-------'  (released: its run failed before it decided)
           |         '-> too_old
           '-> below_count
    """

    __tablename__ = "setpoint_deliveries"
    __table_args__ = (
        Index("ix_setpoint_deliveries_policy", "policy", "state", "received_at"),
        Index("ix_setpoint_deliveries_run", "run_id"),
        Index("ix_setpoint_deliveries_state", "state", "received_at"),
        Index("ix_setpoint_deliveries_receipt", "receipt_id"),
    )

    event_id: Mapped[str] = mapped_column(OutsideText, ForeignKey("setpoint_events.event_id"), primary_key=True)
    policy: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    run_id: Mapped[str | None] = mapped_column(Text)
    receipt_id: Mapped[str | None] = mapped_column(String(32))
    """The message that brought the event to this policy."""
    asked: Mapped[bool] = mapped_column(Boolean)
    """The event has a request, so it is a run of its own."""
    joined: Mapped[bool] = mapped_column(Boolean)
    """It joined another event's evaluation."""
    attempts: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    """The order among events received at one moment, in one batch."""
    received_at: Mapped[datetime]
    too_old_at: Mapped[datetime | None]
    """From then on nobody acts on it."""
    counting_until: Mapped[datetime | None]
    """While it is counting: from then on no other event can complete the number."""
    taken_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class CountRow(Base):
    """An event that counts towards a trigger's number-in-a-window. ``rule`` is a digest of that trigger."""

    __tablename__ = "setpoint_counts"
    __table_args__ = (
        Index("ix_setpoint_counts_occurred", "policy", "rule", "occurred_at"),
        Index("ix_setpoint_counts_until", "until"),
    )

    policy: Mapped[str] = mapped_column(String(255), primary_key=True)
    rule: Mapped[str] = mapped_column(String(32), primary_key=True)
    event_id: Mapped[str] = mapped_column(OutsideText, primary_key=True)
    occurred_at: Mapped[datetime]
    until: Mapped[datetime]


class WakeRow(Base):
    """When a policy was woken last and when it is to be woken next; :mod:`setpoint.ledger.wakes` says how."""

    __tablename__ = "setpoint_wakes"
    __table_args__ = (Index("ix_setpoint_wakes_due", "due_at"),)

    policy: Mapped[str] = mapped_column(String(255), primary_key=True)
    woken_at: Mapped[datetime | None]
    pulled_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    times: Mapped[int] = mapped_column(Integer)


class RejectRow(Base):
    """A message that became no event, and why. Its key is that of its receipt."""

    __tablename__ = "setpoint_rejects"
    __table_args__ = (Index("ix_setpoint_rejects_received", "received_at"),)

    reject_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(OutsideText)
    message_id: Mapped[str] = mapped_column(OutsideText)
    code: Mapped[str] = mapped_column(String(100))
    text: Mapped[str] = mapped_column(OutsideText)
    body: Mapped[str] = mapped_column(OutsideText)
    cut: Mapped[bool] = mapped_column(Boolean)
    """The body was longer than what is kept of it."""
    state: Mapped[str] = mapped_column(String(20))
    resolution: Mapped[str | None] = mapped_column(OutsideText)
    resolved_at: Mapped[datetime | None]
    received_at: Mapped[datetime]


class RunRow(Base):
    """One run of one policy."""

    __tablename__ = "setpoint_runs"
    __table_args__ = (Index("ix_setpoint_runs_policy", "policy", "started_at"),)

    run_id: Mapped[str] = mapped_column(Text, primary_key=True)
    policy: Mapped[str] = mapped_column(String(255))
    trigger: Mapped[str] = mapped_column(OutsideText)
    dry_run: Mapped[bool] = mapped_column(Boolean)
    event_ids: Mapped[list[str]] = mapped_column(Document)
    state: Mapped[str] = mapped_column(String(50))
    reason: Mapped[str | None] = mapped_column(OutsideText)
    attempts: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ChangeRow(Base):
    """Where each change stands. ``seq`` is the order in which changes were begun.

    The partial unique index is what makes two workers that begin a change of one target at the same moment impossible,
    whatever else goes wrong.
    """

    __tablename__ = "setpoint_changes"
    __table_args__ = (
        Index("uq_setpoint_changes_change", "change_id", unique=True),
        Index(
            "uq_setpoint_changes_applying",
            "target_kind",
            "target",
            unique=True,
            sqlite_where=text("state = 'applying'"),
            postgresql_where=text("state = 'applying'"),
        ),
        Index("ix_setpoint_changes_target", "target_kind", "target", "seq"),
        Index("ix_setpoint_changes_run", "run_id"),
        Index("ix_setpoint_changes_state", "state", "intended_at"),
        Index("ix_setpoint_changes_intended", "intended_at"),
    )

    seq: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    change_id: Mapped[str] = mapped_column(Text)
    run_id: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(String(255))
    target_kind: Mapped[str] = mapped_column(String(255))
    target: Mapped[str] = mapped_column(OutsideText)
    action: Mapped[str] = mapped_column(String(20))
    to_units: Mapped[int] = mapped_column(Integer)
    dry_run: Mapped[bool] = mapped_column(Boolean)
    reverts: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[dict[str, Any]]
    plan: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None] = mapped_column(Document)
    attempts: Mapped[int] = mapped_column(Integer)
    intended_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]


class LeaseRow(Base):
    """Who may change a target right now; :mod:`setpoint.ledger.leases` says how.

    A row stays when its lease is released, because its token is never to be given out again.
    """

    __tablename__ = "setpoint_leases"

    target_kind: Mapped[str] = mapped_column(String(255), primary_key=True)
    target: Mapped[str] = mapped_column(OutsideText, primary_key=True)
    token: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str] = mapped_column(Text)
    change_id: Mapped[str] = mapped_column(Text)
    acquired_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    released_at: Mapped[datetime | None]


class OutcomeRow(Base):
    """The verdict on a change; the first one recorded stays."""

    __tablename__ = "setpoint_outcomes"

    change_id: Mapped[str] = mapped_column(Text, ForeignKey("setpoint_changes.change_id"), primary_key=True)
    verdict: Mapped[str] = mapped_column(String(20))
    followed: Mapped[str] = mapped_column(String(20))
    value: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


class FindingRow(Base):
    """What the reconcile Dag found. Its key is a digest of all of it, so that a retried task finds it once."""

    __tablename__ = "setpoint_findings"
    __table_args__ = (Index("ix_setpoint_findings_found", "found_at"),)

    finding_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    policy: Mapped[str] = mapped_column(String(255))
    target: Mapped[str | None] = mapped_column(OutsideText)
    kind: Mapped[str] = mapped_column(String(50))
    value: Mapped[dict[str, Any]]
    found_at: Mapped[datetime]


class EntryRow(Base):
    """Every value, append-only. :mod:`setpoint.ledger.entries` says what slot, attempt and position mean."""

    __tablename__ = "setpoint_entries"
    __table_args__ = (
        Index("uq_setpoint_entries_slot", "run_id", "kind", "slot", "attempt", "position", unique=True),
        Index("ix_setpoint_entries_policy", "kind", "policy", "recorded_at"),
        Index("ix_setpoint_entries_target", "kind", "target", "recorded_at"),
        Index("ix_setpoint_entries_recorded", "kind", "recorded_at"),
        Index("ix_setpoint_entries_change", "change_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(String(255))
    target: Mapped[str | None] = mapped_column(OutsideText)
    change_id: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(50))
    slot: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    value: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
