"""Receipts: what became of every message; counting, debounce and age of events; replay of rejects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from setpoint.ledger import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "setpoint_receipts",
        sa.Column("receipt_id", sa.String(length=32), nullable=False),
        sa.Column("source", types.OutsideText(), nullable=False),
        sa.Column("message_id", types.OutsideText(), nullable=False),
        sa.Column("fate", sa.String(length=20), nullable=False),
        sa.Column("event_ids", types.Document(), nullable=False),
        sa.Column("origin", types.Document(), nullable=True),
        sa.Column("body", types.OutsideText(), nullable=True),
        sa.Column("received_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("receipt_id", name="pk_setpoint_receipts"),
    )
    op.create_index("ix_setpoint_receipts_received", "setpoint_receipts", ["received_at"])
    op.create_index("ix_setpoint_receipts_fate", "setpoint_receipts", ["fate", "received_at"])
    op.create_table(
        "setpoint_counts",
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("event_id", types.OutsideText(), nullable=False),
        sa.Column("occurred_at", types.UtcTime(), nullable=False),
        sa.Column("until", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "rule", "event_id", name="pk_setpoint_counts"),
    )
    op.create_index("ix_setpoint_counts_occurred", "setpoint_counts", ["policy", "rule", "occurred_at"])
    op.create_index("ix_setpoint_counts_until", "setpoint_counts", ["until"])
    op.create_table(
        "setpoint_wakes",
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("woken_at", types.UtcTime(), nullable=True),
        sa.Column("pulled_at", types.UtcTime(), nullable=True),
        sa.Column("due_at", types.UtcTime(), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("policy", name="pk_setpoint_wakes"),
    )
    op.create_index("ix_setpoint_wakes_due", "setpoint_wakes", ["due_at"])
    _events()
    _deliveries()
    _rejects()


# The defaults below are for the rows that are there; whoever writes a row says every column.


def _events() -> None:
    op.add_column("setpoint_events", sa.Column("identity", types.OutsideText(), nullable=False, server_default=""))
    op.add_column("setpoint_events", sa.Column("generation", sa.Integer(), nullable=False, server_default="1"))
    op.execute("UPDATE setpoint_events SET identity = event_id")
    op.create_index("ix_setpoint_events_identity", "setpoint_events", ["identity", "generation"])


def _deliveries() -> None:
    table = "setpoint_deliveries"
    op.add_column(table, sa.Column("receipt_id", sa.String(length=32), nullable=True))
    op.add_column(table, sa.Column("asked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(table, sa.Column("joined", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(table, sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(table, sa.Column("too_old_at", types.UtcTime(), nullable=True))
    op.add_column(table, sa.Column("counting_until", types.UtcTime(), nullable=True))
    op.create_index("ix_setpoint_deliveries_state", table, ["state", "received_at"])
    op.create_index("ix_setpoint_deliveries_receipt", table, ["receipt_id"])
    deliveries = sa.table(table, sa.column("event_id"), sa.column("state"), sa.column("asked", sa.Boolean()))
    events = sa.table("setpoint_events", sa.column("event_id"), sa.column("value", types.Document()))
    # The request is looked for here and not in the query: PostgreSQL cannot look into JSON that holds NUL.
    still_open = sa.select(deliveries.c.event_id).where(deliveries.c.state.in_(["waiting", "taken"]))
    rows = op.get_bind().execute(sa.select(events.c.event_id, events.c.value).where(events.c.event_id.in_(still_open)))
    asked = [row.event_id for row in rows if row.value.get("request") is not None]
    for event_id in asked:
        op.get_bind().execute(sa.update(deliveries).where(deliveries.c.event_id == event_id).values(asked=True))


def _rejects() -> None:
    table = "setpoint_rejects"
    op.add_column(table, sa.Column("cut", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(table, sa.Column("state", sa.String(length=20), nullable=False, server_default="open"))
    op.add_column(table, sa.Column("resolution", types.OutsideText(), nullable=True))
    op.add_column(table, sa.Column("resolved_at", types.UtcTime(), nullable=True))
    # Their messages' receipts, so that each can be replayed; the origin of those days is not known any more.
    op.execute(
        "INSERT INTO setpoint_receipts (receipt_id, source, message_id, fate, event_ids, received_at) "
        "SELECT reject_id, source, message_id, 'rejected', '[]', received_at FROM setpoint_rejects"
    )
