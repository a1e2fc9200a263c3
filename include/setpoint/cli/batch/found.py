"""Finding the batch that was meant, on the shelf and in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import CommandError, ExitCode

if TYPE_CHECKING:
    from setpoint.evidence.case import Case
    from setpoint.evidence.shelf import Shelved
    from setpoint.model import MetricBatch, QualityReport
    from setpoint.sources.batches import BatchStore

BatchArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="A batch's id; its first letters (four or more) will do.", show_default=False),
]


@dataclass(frozen=True)
class Found:
    """A batch, its report and its case, which is made from the ledger for a batch that is not in quarantine."""

    shelved: Shelved
    batch: MetricBatch
    """Its ``uri`` names the file that is there now."""
    report: QualityReport
    case: Case


def the_store() -> BatchStore:
    """The deployment's store of batches."""
    from setpoint.settings import load_settings
    from setpoint.sources.batches import BatchStore

    return BatchStore(load_settings().data / "batches")


def the_batch(store: BatchStore, reference: str) -> Found:
    """The one batch that is meant.

    :raises CommandError: there is none, or several, or nothing is recorded of it.
    """
    from setpoint.evidence.shelf import find

    found = find(store, reference)
    if not found:
        raise CommandError(
            f"{store.root} has no batch {reference}: setpoint batch list --all lists those that are there; one past "
            "its retention is gone, and what was decided on it is in setpoint history",
            ExitCode.NO,
        )
    if len(found) > 1:
        several = ", ".join(one.batch_id for one in found[:5])
        raise CommandError(f"{len(found)} batches begin with {reference}: {several}; name one of these", ExitCode.NO)
    return _with_case(found[0]) or _of_ledger(found[0])


def _with_case(shelved: Shelved) -> Found | None:
    case, report = shelved.case(), shelved.report()
    if case is None or report is None:
        return None
    here = _here(case.batch, shelved)
    return Found(shelved, here, report, case.model_copy(update={"batch": here}))


def _of_ledger(shelved: Shelved) -> Found:
    """What the ledger has of a batch that was not put aside (or was, by a version that wrote no case)."""
    from setpoint.cli.ledgers import reading_ledger
    from setpoint.evidence.recorded import recorded_case

    with reading_ledger() as ledger:
        found = recorded_case(ledger, shelved)
    if found is None:
        raise CommandError(
            f"the ledger has no verdict on batch {shelved.batch_id}: its run has not judged it (yet), or it was pulled "
            f"to judge health. Its points are in {shelved.paths.get('parquet', 'no file any more')}",
            ExitCode.NO,
        )
    case, report = found
    here = _here(case.batch, shelved)
    return Found(shelved, here, report, case.model_copy(update={"batch": here}))


def _here(batch: MetricBatch, shelved: Shelved) -> MetricBatch:
    path = shelved.paths.get("parquet")
    return batch if path is None else batch.model_copy(update={"uri": str(path)})
