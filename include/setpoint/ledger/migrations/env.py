"""How Alembic reaches the ledger: through the connection, and inside the transaction, that ``migrate`` gives it."""

from __future__ import annotations

from alembic import context

from setpoint.ledger.tables import VERSION_TABLE, Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError(
        "the ledger's migrations run through setpoint.ledger.migrate(url), not through the alembic command"
    )

context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    # SQLite cannot alter most things in place; Alembic then copies the table.
    render_as_batch=True,
)
context.run_migrations()
