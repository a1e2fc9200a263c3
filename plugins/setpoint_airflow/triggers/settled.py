"""Wait in the triggerer until changed capacity is in service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from setpoint.ledger import LedgerUnavailable
from setpoint.model import ChangeState
from setpoint.steps.settle import settle
from setpoint.targets.contract import TargetConfig, TargetError, TargetReader
from setpoint_airflow.runtime import Runtime, runtime

TROUBLE_SECONDS = 600.0
"""How long targets and ledger may be out of reach, without a good look in between, before the wait is given up."""


class ChangesSettledTrigger(BaseTrigger):
    """Look every few seconds, by the same predicate as the direct path, until no change waits any more.

    :param policy: the policy's name.
    :param run_id: Airflow's id of the run.
    :param change_ids: the changes to wait for.
    :param poll_seconds: seconds between two looks.
    """

    def __init__(self, *, policy: str, run_id: str, change_ids: Sequence[str], poll_seconds: float) -> None:
        super().__init__()
        self.policy = policy
        self.run_id = run_id
        self.change_ids = list(change_ids)
        self.poll_seconds = poll_seconds
        self._built: tuple[TargetConfig, TargetReader] | None = None
        self._trouble_since: float | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "setpoint_airflow.triggers.settled.ChangesSettledTrigger",
            {
                "policy": self.policy,
                "run_id": self.run_id,
                "change_ids": self.change_ids,
                "poll_seconds": self.poll_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while await sync_to_async(self._waiting)():
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent({"change_ids": self.change_ids})

    def _waiting(self) -> bool:
        try:
            with runtime(self.policy, self.run_id) as run:
                after = settle(
                    run.changes(self.change_ids),
                    policy=run.policy,
                    target=self._reader(run),
                    ledger=run.ledger,
                    now=datetime.now(UTC),
                )
        except (TargetError, LedgerUnavailable) as error:
            now = time.monotonic()
            self._trouble_since = self._trouble_since or now
            if (isinstance(error, TargetError) and not error.retryable) or now > self._trouble_since + TROUBLE_SECONDS:
                raise
            self.log.warning("Targets or ledger could not be read, trying again: %s", error)
            # Perhaps with credentials that were mended meanwhile.
            self._built = None
            return True
        self._trouble_since = None
        return any(one.state is ChangeState.APPLIED for one in after)

    def _reader(self, run: Runtime) -> TargetReader:
        """One reader for all looks: building its client takes far longer than a look."""
        if self._built is None or self._built[0] != run.policy.targets:
            self._built = (run.policy.targets, run.reader)
        return self._built[1]
