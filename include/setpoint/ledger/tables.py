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

HEAD = "0002"
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


class EventRow(Base):
    """The inbox: every event accepted, once. ``value`` is never updated."""

    __tablename__ = "setpoint_events"

    event_id: Mapped[str] = mapped_column(OutsideText, primary_key=True)
    kind: Mapped[str] = mapped_column(OutsideText)
    unwanted: Mapped[bool] = mapped_column(Boolean)
    received_at: Mapped[datetime]
    value: Mapped[dict[str, Any]]


class DeliveryRow(Base):
    """One event on its way to one policy.

    ::

        waiting -> taken -> acted | held | quarantined | failed
           ^---------'  (released: its run failed before it decided)
    """

    __tablename__ = "setpoint_deliveries"
    __table_args__ = (
        Index("ix_setpoint_deliveries_policy", "policy", "state", "received_at"),
        Index("ix_setpoint_deliveries_run", "run_id"),
    )

    event_id: Mapped[str] = mapped_column(OutsideText, ForeignKey("setpoint_events.event_id"), primary_key=True)
    policy: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    run_id: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    received_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class RejectRow(Base):
    """A message that became no event, and why. Its key is a digest of source and message id, which know no length."""

    __tablename__ = "setpoint_rejects"
    __table_args__ = (Index("ix_setpoint_rejects_received", "received_at"),)

    reject_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(OutsideText)
    message_id: Mapped[str] = mapped_column(OutsideText)
    code: Mapped[str] = mapped_column(String(100))
    text: Mapped[str] = mapped_column(OutsideText)
    body: Mapped[str] = mapped_column(OutsideText)
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
