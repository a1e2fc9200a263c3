"""Hold a target's lease while a change is carried out or finished; the arithmetic is in ``ledger/leases.py``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from setpoint.ledger import Ledger
from setpoint.ledger.errors import IllegalTransition, LeaseHeld, LeaseLost
from setpoint.ledger.holders import new_holder
from setpoint.ledger.leases import CALL_SECONDS, LEASE_SECONDS, Lease
from setpoint.model import Change, PlannedChange
from setpoint.targets.contract import TargetError

Clock = Callable[[], datetime]

_POLL_SECONDS = 0.5


class Hold:
    """A lease, and how much of it is left by its holder's own clocks.

    Counted from before the lease was asked for, and by two clocks, the one that was handed in and one that never steps
    back: the one that says that more time has passed is believed.
    """

    def __init__(self, lease: Lease, ledger: Ledger, clock: Clock, asked_at: datetime, asked_seconds: float) -> None:
        self.lease = lease
        self._ledger = ledger
        self._clock = clock
        self._asked_at = asked_at
        self._asked_seconds = asked_seconds

    @classmethod
    def taken(cls, take: Callable[[], Lease], ledger: Ledger, clock: Clock) -> Self:
        """Take a lease, and count from now."""
        asked_at, asked_seconds = clock(), time.monotonic()
        return cls(take(), ledger, clock, asked_at, asked_seconds)

    def left_seconds(self) -> float:
        """How long the lease is certainly still held."""
        passed = max((self._clock() - self._asked_at).total_seconds(), time.monotonic() - self._asked_seconds)
        return LEASE_SECONDS - passed

    def long_enough_for_a_call(self) -> None:
        """See to it that the lease outlasts a call to the provider that is sent now.

        :raises LeaseLost: it was taken over. The call must not be sent.
        """
        if self.left_seconds() > CALL_SECONDS:
            return
        asked_at, asked_seconds = self._clock(), time.monotonic()
        self.lease = self._ledger.renew_lease(self.lease)
        self._asked_at, self._asked_seconds = asked_at, asked_seconds

    @contextmanager
    def given_back_on_trouble(self) -> Iterator[None]:
        """Give the lease back when the block ends with the provider's error, so that the next attempt need not wait.

        :raises TargetError: retryable, instead of :class:`LeaseLost`: whoever took the lease over finishes the change,
            or has done so; the next attempt learns how it ended.
        """
        try:
            yield
        except TargetError:
            self._ledger.release_lease(self.lease)
            raise
        except (LeaseLost, IllegalTransition) as lost:
            text = f"{self.lease.target}: this attempt was overtaken and carries it out no more: {lost}"
            raise TargetError(text, code="lease_lost", retryable=True) from lost


def begin(
    change: PlannedChange, ledger: Ledger, clock: Clock, pause: Callable[[float], None]
) -> tuple[Change, Hold | None]:
    """Begin a change, once no other attempt at it may be at work any more.

    :param pause: waits so many seconds.
    :returns: the change, and the hold on its target; none when the change has ended.
    :raises TargetBusy: another change of the target is open.
    :raises TargetError: retryable; another attempt at the change is at work for longer than a lease lasts.
    """
    holder, waited = new_holder(), 0.0
    while True:
        asked_at, asked_seconds = clock(), time.monotonic()
        try:
            begun = ledger.begin_change(change, asked_at, holder)
        except LeaseHeld as held:
            if waited > LEASE_SECONDS:
                raise TargetError(str(held), code="lease_held", retryable=True) from held
            seconds = min(_POLL_SECONDS, max(held.seconds_left, 0.05))
            pause(seconds)
            waited += seconds
            continue
        if begun.lease is None:
            return begun.change, None
        return begun.change, Hold(begun.lease, ledger, clock, asked_at, asked_seconds)
