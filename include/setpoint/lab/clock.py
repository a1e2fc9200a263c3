"""Time as a value that is passed in, so that a simulation of minutes takes no minutes to test."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the laboratory gets the time from."""

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()


class ManualClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move the clock forward.

        :param seconds: how far; must not be negative.
        :returns: the new time.
        :raises ValueError: when asked to go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not run backwards: advance({seconds}), allowed: 0 or more")
        self._now += seconds
        return self._now


def at(epoch_seconds: float) -> datetime:
    """Return the aware UTC datetime of an epoch time in seconds."""
    return datetime.fromtimestamp(epoch_seconds, tz=UTC)


def epoch(moment: datetime) -> float:
    """Return the epoch seconds of a datetime; a naive one is read as UTC, as the AWS protocols do."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.timestamp()
