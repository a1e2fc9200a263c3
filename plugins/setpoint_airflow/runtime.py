"""What every Setpoint operator needs of the run it is in: the policy, the ledger, the identity, the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from setpoint.ledger import Ledger
from setpoint.model import Change
from setpoint.policy.loader import policy_named
from setpoint.policy.schema import Policy
from setpoint.settings import load_settings
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Source
from setpoint.steps.intake import run_identity
from setpoint.targets.contract import Target, TargetReader
from setpoint_airflow.ledger import open_ledger
from setpoint_airflow.providers import reader_for, sources_for, target_for


def utc_now() -> datetime:
    """The clock the edge hands to the pure rooms."""
    return datetime.now(UTC)


@dataclass
class Runtime:
    """One task's view of its run."""

    policy: Policy
    run_id: str
    """The ledger's id of the run."""
    ledger: Ledger

    @cached_property
    def store(self) -> BatchStore:
        return BatchStore(load_settings().data / "batches")

    @cached_property
    def sources(self) -> dict[str, Source]:
        return sources_for(self.policy)

    @cached_property
    def reader(self) -> TargetReader:
        """Reads targets; has no way to change them."""
        return reader_for(self.policy)

    @cached_property
    def target(self) -> Target:
        """Reads and changes targets. Only the tasks that carry a change out ask for it."""
        return target_for(self.policy)

    def changes(self, change_ids: Sequence[str]) -> tuple[Change, ...]:
        """The changes of this run that were begun, in the order asked for."""
        found = (self.ledger.change(one) for one in change_ids)
        return tuple(change for change in found if change is not None)


@contextmanager
def runtime(policy: str, airflow_run_id: str) -> Iterator[Runtime]:
    """Load the policy as it is now and open the ledger, for the length of one task.

    :raises PolicyError: the policy's file is gone or no longer valid, so nothing may run by it.
    """
    loaded = policy_named(policy, load_settings().policies)
    with open_ledger() as ledger:
        yield Runtime(policy=loaded.policy, run_id=run_identity(policy, airflow_run_id), ledger=ledger)


def plan_chunk(value: Any) -> tuple[str, tuple[str, ...]]:
    """The direction and the change ids of a chunk, as :class:`DecideOperator` returns chunks."""
    return str(value["action"]), tuple(str(one) for one in value["change_ids"])
