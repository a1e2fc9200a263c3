"""Leases: who may change a target right now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from setpoint.ledger import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "setpoint_leases",
        sa.Column("target_kind", sa.String(length=255), nullable=False),
        sa.Column("target", types.OutsideText(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("acquired_at", types.UtcTime(), nullable=False),
        sa.Column("expires_at", types.UtcTime(), nullable=False),
        sa.Column("released_at", types.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("target_kind", "target", name="pk_setpoint_leases"),
    )
