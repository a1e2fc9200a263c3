"""``setpoint prune``: delete metric batches past their retention, now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from setpoint.cli.output import Json, console, errors_reported, print_json, text


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: Json = False,
) -> None:
    """Delete metric batches past their retention, now.

    setpoint.reconcile does the same every five minutes. What is decided and why stays in the ledger.
    SETPOINT_KEEP_BATCHES, SETPOINT_KEEP_BATCHES_GB, and for those in quarantine
    SETPOINT_KEEP_QUARANTINED (with _COUNT and _GB) say what is kept.

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
        told = prune_store(store, load_retention(), datetime.now(UTC), dry_run=dry_run)
        if as_json:
            print_json({"dry_run": dry_run, **told.model_dump()})
        else:
            console().print(text(f"Would be: {told.text}. Nothing was deleted." if dry_run else told.text))
