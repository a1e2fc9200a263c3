"""``setpoint prune``: delete metric batches and memories past their retention, now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from setpoint.cli.output import Json, console, errors_reported, print_json, text


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: Json = False,
) -> None:
    """Delete metric batches past their retention, and what is remembered of targets that are gone, now.

    setpoint.reconcile does the same once an hour. What is decided and why stays in the ledger.
    SETPOINT_KEEP_BATCHES, SETPOINT_KEEP_BATCHES_GB, for those in quarantine
    SETPOINT_KEEP_QUARANTINED (with _COUNT and _GB), and for what the gate remembers
    SETPOINT_KEEP_MEMORIES say what is kept.

    Examples:

        setpoint prune --dry-run

        SETPOINT_KEEP_BATCHES=2d setpoint prune
    """
    with errors_reported(as_json):
        from setpoint.settings import load_settings
        from setpoint.sources.batches import BatchStore
        from setpoint.sources.retention import load_retention
        from setpoint.sources.retention import prune as prune_store

        store = BatchStore(load_settings().data / "batches")
        retention, now = load_retention(), datetime.now(UTC)
        told = prune_store(store, retention, now, dry_run=dry_run)
        memories = _forget(now - retention.memories, dry_run)
        words = f"{told.text}; {memories} memories of series and targets that are gone deleted"
        if as_json:
            print_json({"dry_run": dry_run, **told.model_dump(), "memories": memories})
        else:
            console().print(text(f"Would be: {words}. Nothing was deleted." if dry_run else words))


def _forget(before: datetime, dry_run: bool) -> int:
    from setpoint.cli.ledgers import is_missing, ledger_url, reading_ledger
    from setpoint.sources.retention import AT_MOST

    if is_missing(ledger_url()):
        return 0
    with reading_ledger() as ledger:
        return ledger.count_memories(before) if dry_run else ledger.forget_memories(before, AT_MOST)
