"""How fast GetMetricData may be called, and how that follows what CloudWatch says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

# "CloudWatch service quotas", GetMetricData, per account and region: calls a second (with a Metrics Insights query; and
# without), and points a second by how far back a call starts. An account is shared, so half of each is used here.
SHARE = 0.5
CALLS_PER_SECOND = 50 * SHARE
CALLS_PER_SECOND_SELECTED = 10 * SHARE
POINTS_PER_SECOND = 180_000 * SHARE
POINTS_PER_SECOND_OLD = 396_000 * SHARE
OLD = timedelta(hours=3)
_BURST_SECONDS = 1.0
_SLOWEST = 1 / 32
_RECOVERY = 1 / 16


class Pace:
    """Lets calls through at a rate that halves when one is throttled, and recovers a sixteenth of it a call.

    Safe to be used by several threads. A call takes its share of a second's calls and of a second's points beforehand;
    what a pause of up to a second saved up may be used at once.

    :param clock: the seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._factor = 1.0
        self._free_at = clock() - _BURST_SECONDS

    @property
    def factor(self) -> float:
        """The share of the full rate that is used at the moment."""
        return self._factor

    def seconds_before(self, points: int, *, selected: bool, reaching_back: timedelta) -> float:
        """Take the turn of a call.

        :param points: points its complete answer has.
        :param selected: whether it holds a Metrics Insights query.
        :param reaching_back: how long before now its window starts.
        :returns: how many seconds to wait before it is sent.
        """
        calls = CALLS_PER_SECOND_SELECTED if selected else CALLS_PER_SECOND
        rate = POINTS_PER_SECOND_OLD if reaching_back > OLD else POINTS_PER_SECOND
        with self._lock:
            cost = max(1 / calls, points / rate) / self._factor
            now = self._clock()
            start = max(self._free_at, now - _BURST_SECONDS)
            self._free_at = start + cost
            return max(0.0, start - now)

    def throttled(self) -> None:
        """CloudWatch refused a call because there are too many."""
        with self._lock:
            self._factor = max(_SLOWEST, self._factor / 2)

    def answered(self) -> None:
        """CloudWatch answered a call."""
        with self._lock:
            self._factor = min(1.0, self._factor + _RECOVERY)
