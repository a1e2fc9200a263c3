"""Changes on record, for tests that are about something else than how they came there."""

from __future__ import annotations

import re
from datetime import datetime

from setpoint.ledger import Ledger
from setpoint.ledger.holders import new_holder
from setpoint.ledger.leases import Lease
from setpoint.model import ApplyResult, Change, ChangeState, PlannedChange, Reason


def a_dead_holder() -> str:
    """A holder whose process certainly runs no more, on this machine: its lease is nobody's obstacle."""
    # pid_max is 2**22 at most, so that no process ever has this number (proc(5)).
    return re.sub(r" pid \d+ ", f" pid {2**22 + 1} ", new_holder())


def begin_change(ledger: Ledger, change: PlannedChange, at: datetime) -> Change:
    """Begin a change, as a process did that has died since."""
    return ledger.begin_change(change, at, a_dead_holder()).change


def finish_change(ledger: Ledger, change_id: str, result: ApplyResult, at: datetime) -> Change:
    """Write down what came of a change, with the lease of whoever has begun it last."""
    change = ledger.change(change_id)
    lease = None if change is None else ledger.lease_of(change.plan.target_kind, change.plan.target)
    return ledger.finish_change(change_id, result, at, lease or _no_lease(at))


def apply(ledger: Ledger, change: PlannedChange, at: datetime) -> Change:
    """A change that the provider took."""
    begin_change(ledger, change, at)
    accepted = ApplyResult(state=ChangeState.APPLIED, reason=Reason(code="applied", text="the provider took the call"))
    return finish_change(ledger, change.change_id, accepted, at)


def settle(ledger: Ledger, change: PlannedChange, at: datetime) -> Change:
    """A change whose capacity is in service."""
    apply(ledger, change, at)
    return ledger.settle_change(change.change_id, Reason(code="in_service", text="all in service"), at)


def _no_lease(at: datetime) -> Lease:
    return Lease(target_kind="-", target="-", token=1, holder="nobody", change_id="-", acquired_at=at, expires_at=at)
