"""A provider that is two files beside each other, for processes that race to change it; not a test.

It has no lock and no condition: it reads, asks, dawdles, and writes. What keeps it right is asked of the ledger.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from setpoint.ledger import Ledger
from setpoint.model import ApplyResult, ChangeState, PlannedChange, Reason, TargetState
from setpoint.steps.apply import carry_out
from setpoint.targets.checks import refusal
from setpoint.targets.contract import Permit, TargetError
from setpoint.testing.values import a_planned_change, a_policy, a_state

FOLDER = "SETPOINT_RACE_FOLDER"


class FileTarget:
    """``capacity`` holds the desired capacity, ``calls`` a line for each call that changed it."""

    def __init__(self, folder: Path) -> None:
        self.capacity, self.calls = folder / "capacity", folder / "calls"

    def read(self, targets: Sequence[str], *, operations: bool = True) -> Mapping[str, TargetState]:
        return {name: a_state(name, int(self.capacity.read_text())) for name in targets}

    def apply(self, change: PlannedChange, permit: Permit) -> ApplyResult:
        before = self.read((change.target,))[change.target]
        said_no = refusal(change, before)
        if said_no is not None:
            return said_no
        why_not = permit(before)
        if why_not is not None:
            return ApplyResult(state=ChangeState.REFUSED, reason=why_not, before=before)
        time.sleep(random.random() / 20)  # the network: long enough for another to come in between
        if int(self.capacity.read_text()) != change.to_units:
            with self.calls.open("a") as calls:
                calls.write(f"{change.change_id} {change.to_units}\n")
        draft = self.capacity.with_name(f"draft-{os.getpid()}-{time.monotonic_ns()}")
        draft.write_text(str(change.to_units))
        draft.rename(self.capacity)
        return ApplyResult(state=ChangeState.APPLIED, reason=Reason.of("applied", "set"), before=before)


def one_of_two(number: int) -> PlannedChange:
    """Two policies want different things of one target; every attempt is at one of the two."""
    policy = ("web", "api")[number % 2]
    return a_planned_change(change_id=f"of-{policy}", policy=policy, to_units=(6, 5)[number % 2])


def carry_out_on_files(url: str, number: int, ledger: Any = None) -> str:
    """One attempt; its end in a word."""
    target = FileTarget(Path(os.environ[FOLDER]))
    with Ledger.open(url) as opened:
        try:
            change = carry_out(
                one_of_two(number),
                policy=a_policy(limits={"min": 2, "max": 10, "cooldown": {"out": "0s", "in": "0s"}}),
                plan_expires_at=datetime.now(UTC) + timedelta(minutes=10),
                target=target,  # type: ignore[arg-type] # the half of a target that carrying out needs
                ledger=opened,
                clock=lambda: datetime.now(UTC),
            )
        except TargetError as error:
            return error.code
    return change.state.value
