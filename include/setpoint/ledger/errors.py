"""What can be wrong with the ledger, or with what it is asked to do.

::

    LedgerError
     |-- LedgerUnavailable    the database cannot be reached or does not answer: try again later
     |-- LedgerMismatch       the database's schema is not one this version of Setpoint knows
     |-- CorruptRecord        a stored value does not validate any more
     |-- NotRecorded          a run or a change the ledger has never heard of
     |-- Conflict             the same identity with another content
     |-- AmbiguousReference   a short reference that fits several records
     |-- TargetBusy           another change on the target is open
     |-- EventsLost           a run was taken for dead, and another has its events
     '-- IllegalTransition    a change cannot go from where it is to where it was sent
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from setpoint.model.change import ChangeState


class LedgerError(Exception):
    """Anything the ledger refuses or cannot do. Its text says what to do about it."""


class LedgerUnavailable(LedgerError):
    """The database cannot be reached, is locked, or gave up. Nothing of the transaction is kept."""


class LedgerMismatch(LedgerError):
    """The database has a schema this version of Setpoint does not know."""


class CorruptRecord(LedgerError):
    """A stored value does not validate: it was altered outside Setpoint, or its model changed without a migration."""


class NotRecorded(LedgerError):
    """The ledger has no such run or change."""


class Conflict(LedgerError):
    """A record with this identity exists already and says something else."""


class AmbiguousReference(LedgerError):
    """A shortened reference fits more than one record."""


class TargetBusy(LedgerError):
    """Another change on the same target is still open, so no new one may begin.

    :param open_change_id: the change in the way.
    :param target: the target both want.
    :param since: when the change in the way was begun.
    """

    def __init__(self, open_change_id: str, target: str, since: datetime) -> None:
        super().__init__(open_change_id, target, since)
        self.open_change_id = open_change_id
        self.target = target
        self.since = since

    def __str__(self) -> str:
        return (
            f"{self.target}: change {self.open_change_id} is open since {self.since:%FT%TZ}, and only one change at a "
            f"time may move a target. Wait until it is settled, or let the reconcile Dag finish it when its run is gone"
        )


class EventsLost(LedgerError):
    """A run was taken for dead while it was only slow, and its events were given back: it may not decide on them.

    :param run_id: the run.
    :param event_ids: the events it does not have any more.
    :param now_with: the runs that have them; empty while they wait.
    """

    def __init__(self, run_id: str, event_ids: Sequence[str], now_with: Sequence[str]) -> None:
        super().__init__(run_id, tuple(event_ids), tuple(now_with))
        self.run_id = run_id
        self.event_ids = tuple(event_ids)
        self.now_with = tuple(now_with)

    def __str__(self) -> str:
        where = f"are with {', '.join(self.now_with)} now" if self.now_with else "are waiting for another run"
        return (
            f"{self.run_id} took so long that it was taken for dead: {len(self.event_ids)} of its events {where}, "
            "so it decides nothing. There is nothing to do; if it happens often, raise SETPOINT_RECONCILE_GRACE"
        )


class IllegalTransition(LedgerError):
    """A change was sent to a state that cannot follow its own.

    :param change_id: the change.
    :param state: where it stands.
    :param wanted: where it was sent.
    :param why: why that may not be, in a sentence.
    """

    def __init__(self, change_id: str, state: ChangeState, wanted: ChangeState, why: str) -> None:
        super().__init__(change_id, state, wanted, why)
        self.change_id = change_id
        self.state = state
        self.wanted = wanted
        self.why = why

    def __str__(self) -> str:
        return f"change {self.change_id} is {self.state} and cannot become {self.wanted}: {self.why}"


class LeaseHeld(LedgerError):
    """Somebody else may change the target right now.

    :param target: the target.
    :param holder: who holds its lease.
    :param change_id: the change it is held for.
    :param seconds_left: how long until it runs out, unless it is given back or renewed before.
    """

    def __init__(self, target: str, holder: str, change_id: str, seconds_left: float) -> None:
        super().__init__(target, holder, change_id, seconds_left)
        self.target = target
        self.holder = holder
        self.change_id = change_id
        self.seconds_left = seconds_left

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.holder} is at work on change {self.change_id} and may go on alone for another "
            f"{max(self.seconds_left, 0):.0f} s. If it died, its lease runs out by then: try again after that"
        )


class LeaseLost(LedgerError):
    """A holder's lease ran out and was taken over: it must not call the provider, and what it would write is refused.

    :param target: the target.
    :param token: the fencing token that does not count any more.
    :param newer_token: the one that counts.
    :param holder: who has that one.
    """

    def __init__(self, target: str, token: int, newer_token: int, holder: str) -> None:
        super().__init__(target, token, newer_token, holder)
        self.target = target
        self.token = token
        self.newer_token = newer_token
        self.holder = holder

    def __str__(self) -> str:
        how = "was given back" if self.token == self.newer_token else f"was taken over by {self.holder}"
        return (
            f"{self.target}: the lease with token {self.token} {how} (token {self.newer_token} now). Nothing was "
            f"written; whoever took it over finishes the change. Try again to see how it ended"
        )
