"""The tables of what the gate and its consequences remember from one batch to the next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from setpoint.ledger.tables import Base
from setpoint.ledger.types import OutsideText


class StreakRow(Base):
    """How many batches in a row failed for a target. A target whose batches never failed has none."""

    __tablename__ = "setpoint_streaks"

    policy: Mapped[str] = mapped_column(String(255), primary_key=True)
    target: Mapped[str] = mapped_column(OutsideText, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime | None]
    ended: Mapped[int] = mapped_column(Integer)
    window_end: Mapped[datetime]


class IncidentRow(Base):
    """An incident. The partial unique index is what keeps two of one kind from being open at once."""

    __tablename__ = "setpoint_incidents"
    __table_args__ = (
        Index(
            "uq_setpoint_incidents_open",
            "policy",
            "kind",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_setpoint_incidents_opened", "opened_at"),
    )

    incident_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    policy: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(50))
    text: Mapped[str] = mapped_column(OutsideText)
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(Text)
    batches: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime]
    last_run: Mapped[str] = mapped_column(Text)
    window_end: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(Text)


class SeriesHistoryRow(Base):
    """What the gate remembers of a series: one row, of its last accepted batch."""

    __tablename__ = "setpoint_series_history"

    policy: Mapped[str] = mapped_column(String(255), primary_key=True)
    target: Mapped[str] = mapped_column(OutsideText, primary_key=True)
    metric: Mapped[str] = mapped_column(String(255), primary_key=True)
    accepted_at: Mapped[datetime]
    value: Mapped[dict[str, Any]]
