"""Is there room for metric batches, and are they deleted in time?"""

from __future__ import annotations

from datetime import UTC, datetime

from setpoint.cli.checks.result import CheckResult, fail, ok, warn


def check_batches() -> CheckResult:
    """Count what lies there against the retention; nothing is deleted."""
    from setpoint.settings import SettingsError, load_settings
    from setpoint.sources.batches import BatchError, BatchStore
    from setpoint.sources.retention import load_retention, prune

    folder = load_settings().data / "batches"
    try:
        retention = load_retention()
        told = prune(BatchStore(folder), retention, datetime.now(UTC), dry_run=True)
    except SettingsError as error:
        return fail("batches", str(error), "correct the variable for every component")
    except BatchError as error:
        return fail("batches", str(error), "give the user of Airflow's tasks the folder SETPOINT_DATA")
    if told.over_bytes:
        todo = "set SETPOINT_KEEP_BATCHES_GB higher, or let policies look less often or at fewer metrics"
        return warn("batches", f"{folder}: {told.text}", todo)
    if not told.finished:
        todo = "unpause setpoint.reconcile, or run setpoint prune"
        return warn("batches", f"{folder}: more than {told.files} files are past their time", todo)
    words = f"{told.files + told.kept_files} files in {folder}, {told.files} of them past their time"
    return ok("batches", f"{words}; kept {retention.batches.days} days and up to {retention.gigabytes:g} GB")
