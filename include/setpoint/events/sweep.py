"""When to wake a policy again whose events still wait: Airflow loses some wake-ups, so each is repeated."""

from __future__ import annotations

from collections.abc import Iterable

PACE_SECONDS = (30.0, 60.0, 120.0)
"""How long after a policy was woken it is woken again while its events wait; the last step repeats."""


class SweepSchedule:
    """Wakes each waiting policy at once, then 30, 60, 120, 120, ... seconds later, until nothing of it waits any more.

    Events wait legitimately while the policy's previous run goes on; waking it every time would pile up asset events.
    Remembers only the policies that are waiting.
    """

    def __init__(self) -> None:
        self._next: dict[str, tuple[float, int]] = {}

    def due(self, waiting: Iterable[str], now_seconds: float) -> frozenset[str]:
        """The waiting policies to wake now.

        :param waiting: every policy that has events waiting.
        :param now_seconds: a clock that only goes forward.
        """
        due: set[str] = set()
        schedule: dict[str, tuple[float, int]] = {}
        for policy in waiting:
            at, times = self._next.get(policy, (now_seconds, 0))
            if at <= now_seconds:
                due.add(policy)
                at, times = now_seconds + PACE_SECONDS[min(times, len(PACE_SECONDS) - 1)], times + 1
            schedule[policy] = (at, times)
        self._next = schedule
        return frozenset(due)
