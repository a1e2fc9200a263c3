"""What follows from bad data: failed batches in a row, incidents of a source, and what a series usually is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from setpoint.ledger import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "setpoint_streaks",
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("target", types.OutsideText(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", types.UtcTime(), nullable=True),
        sa.Column("ended", sa.Integer(), nullable=False),
        sa.Column("window_end", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "target", name="pk_setpoint_streaks"),
    )
    op.create_table(
        "setpoint_incidents",
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("text", types.OutsideText(), nullable=False),
        sa.Column("opened_at", types.UtcTime(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("batches", sa.Integer(), nullable=False),
        sa.Column("last_at", types.UtcTime(), nullable=False),
        sa.Column("last_run", sa.Text(), nullable=False),
        sa.Column("window_end", types.UtcTime(), nullable=False),
        sa.Column("closed_at", types.UtcTime(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name="pk_setpoint_incidents"),
    )
    op.create_index(
        "uq_setpoint_incidents_open",
        "setpoint_incidents",
        ["policy", "kind"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_setpoint_incidents_opened", "setpoint_incidents", ["opened_at"])
    op.create_table(
        "setpoint_series_history",
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("target", types.OutsideText(), nullable=False),
        sa.Column("metric", sa.String(length=255), nullable=False),
        sa.Column("accepted_at", types.UtcTime(), nullable=False),
        sa.Column("value", types.Document(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "target", "metric", name="pk_setpoint_series_history"),
    )
