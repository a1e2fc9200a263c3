"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from setpoint.ledger import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "setpoint_changes",
        sa.Column("seq", types.RowId, autoincrement=True, nullable=False),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("target_kind", sa.String(length=255), nullable=False),
        sa.Column("target", types.OutsideText(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("to_units", sa.Integer(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("reverts", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", types.Document(), nullable=False),
        sa.Column("plan", types.Document(), nullable=False),
        sa.Column("result", types.Document(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("intended_at", types.UtcTime(), nullable=False),
        sa.Column("applied_at", types.UtcTime(), nullable=True),
        sa.Column("settled_at", types.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_setpoint_changes"),
    )
    op.create_index("ix_setpoint_changes_intended", "setpoint_changes", ["intended_at"], unique=False)
    op.create_index("ix_setpoint_changes_run", "setpoint_changes", ["run_id"], unique=False)
    op.create_index("ix_setpoint_changes_state", "setpoint_changes", ["state", "intended_at"], unique=False)
    op.create_index("ix_setpoint_changes_target", "setpoint_changes", ["target_kind", "target", "seq"], unique=False)
    op.create_index(
        "uq_setpoint_changes_applying",
        "setpoint_changes",
        ["target_kind", "target"],
        unique=True,
        sqlite_where=sa.text("state = 'applying'"),
        postgresql_where=sa.text("state = 'applying'"),
    )
    op.create_index("uq_setpoint_changes_change", "setpoint_changes", ["change_id"], unique=True)
    op.create_table(
        "setpoint_entries",
        sa.Column("id", types.RowId, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("target", types.OutsideText(), nullable=True),
        sa.Column("change_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("slot", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", types.Document(), nullable=False),
        sa.Column("recorded_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_setpoint_entries"),
    )
    op.create_index("ix_setpoint_entries_change", "setpoint_entries", ["change_id"], unique=False)
    op.create_index("ix_setpoint_entries_policy", "setpoint_entries", ["kind", "policy", "recorded_at"], unique=False)
    op.create_index("ix_setpoint_entries_recorded", "setpoint_entries", ["kind", "recorded_at"], unique=False)
    op.create_index("ix_setpoint_entries_target", "setpoint_entries", ["kind", "target", "recorded_at"], unique=False)
    op.create_index(
        "uq_setpoint_entries_slot", "setpoint_entries", ["run_id", "kind", "slot", "attempt", "position"], unique=True
    )
    op.create_table(
        "setpoint_events",
        sa.Column("event_id", types.OutsideText(), nullable=False),
        sa.Column("kind", types.OutsideText(), nullable=False),
        sa.Column("unwanted", sa.Boolean(), nullable=False),
        sa.Column("received_at", types.UtcTime(), nullable=False),
        sa.Column("value", types.Document(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_setpoint_events"),
    )
    op.create_table(
        "setpoint_findings",
        sa.Column("finding_id", sa.String(length=32), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("target", types.OutsideText(), nullable=True),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("value", types.Document(), nullable=False),
        sa.Column("found_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("finding_id", name="pk_setpoint_findings"),
    )
    op.create_index("ix_setpoint_findings_found", "setpoint_findings", ["found_at"], unique=False)
    op.create_table(
        "setpoint_rejects",
        sa.Column("reject_id", sa.String(length=32), nullable=False),
        sa.Column("source", types.OutsideText(), nullable=False),
        sa.Column("message_id", types.OutsideText(), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("text", types.OutsideText(), nullable=False),
        sa.Column("body", types.OutsideText(), nullable=False),
        sa.Column("received_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("reject_id", name="pk_setpoint_rejects"),
    )
    op.create_index("ix_setpoint_rejects_received", "setpoint_rejects", ["received_at"], unique=False)
    op.create_table(
        "setpoint_runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("trigger", types.OutsideText(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("event_ids", types.Document(), nullable=False),
        sa.Column("state", sa.String(length=50), nullable=False),
        sa.Column("reason", types.OutsideText(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_at", types.UtcTime(), nullable=False),
        sa.Column("finished_at", types.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_setpoint_runs"),
    )
    op.create_index("ix_setpoint_runs_policy", "setpoint_runs", ["policy", "started_at"], unique=False)
    op.create_table(
        "setpoint_deliveries",
        sa.Column("event_id", types.OutsideText(), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", types.UtcTime(), nullable=False),
        sa.Column("taken_at", types.UtcTime(), nullable=True),
        sa.Column("closed_at", types.UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["setpoint_events.event_id"], name="fk_setpoint_deliveries_event_id"),
        sa.PrimaryKeyConstraint("event_id", "policy", name="pk_setpoint_deliveries"),
    )
    op.create_index(
        "ix_setpoint_deliveries_policy", "setpoint_deliveries", ["policy", "state", "received_at"], unique=False
    )
    op.create_index("ix_setpoint_deliveries_run", "setpoint_deliveries", ["run_id"], unique=False)
    op.create_table(
        "setpoint_outcomes",
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("followed", sa.String(length=20), nullable=False),
        sa.Column("value", types.Document(), nullable=False),
        sa.Column("recorded_at", types.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["setpoint_changes.change_id"], name="fk_setpoint_outcomes_change_id"),
        sa.PrimaryKeyConstraint("change_id", name="pk_setpoint_outcomes"),
    )
