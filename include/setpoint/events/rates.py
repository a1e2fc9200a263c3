"""How often something may happen: a token bucket."""

from __future__ import annotations

import threading


class TokenBucket:
    """So many at once after a rest, and so many a minute in the long run. Safe for many threads.

    :param per_minute: tokens that come back in a minute.
    :param burst: tokens there can be.
    """

    def __init__(self, per_minute: float, burst: int) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None
        self._lock = threading.Lock()

    def take(self, now_seconds: float) -> float:
        """Take a token.

        :param now_seconds: a clock that only goes forward.
        :returns: 0 when there was one; otherwise after how many seconds there is, and nothing was taken.
        """
        with self._lock:
            passed = 0.0 if self._at is None else max(0.0, now_seconds - self._at)
            self._at = now_seconds if self._at is None else max(self._at, now_seconds)
            self._tokens = min(self._burst, self._tokens + passed * self._per_second)
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self._per_second
