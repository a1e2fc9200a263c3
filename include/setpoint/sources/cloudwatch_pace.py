"""How fast GetMetricData may be called, and how that follows what CloudWatch says.

The quotas are those of "Amazon CloudWatch endpoints and quotas" in the AWS General Reference
(https://docs.aws.amazon.com/general/latest/gr/cw_region.html), per account and region:

==================================================================  =========  ==========
quota                                                               default    can grow
==================================================================  =========  ==========
Rate of GetMetricData requests (L-5E141212)                         500/s      yes
Rate of Metrics Insights usage in GetMetricData                     10/s       no
Rate of GetMetricData datapoints for the last three hours           180,000/s  no
Rate of GetMetricData datapoints for metrics older than that        396,000/s  no
Rate of GetMetricData datapoints using Metrics Insights             4.3 M/s    no
==================================================================  =========  ==========

Older editions say 50 requests a second. Points are counted as estimated of a request's time range, period and
retention, whether they exist or not; a Metrics Insights query's are those it scans ("CloudWatch service quotas" in the
user guide, https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from pydantic import Field

from setpoint.model.base import Value
from setpoint.settings import Settings
from setpoint.sources.cloudwatch_insights import MOST_SCANNED

OLD = timedelta(hours=3)
_BURST_SECONDS = 1.0
_SLOWEST = 1 / 32
_RECOVERY = 1 / 16


class Quotas(Value):
    """What an account may ask of GetMetricData in a region, and how much of it is for one fetch."""

    calls_per_second: int = Field(default=500, ge=1)
    selected_per_second: int = Field(default=10, ge=1)
    """Calls that hold a Metrics Insights query."""
    points_per_second: int = Field(default=180_000, ge=1)
    """Points of calls whose window starts within the last three hours."""
    old_points_per_second: int = Field(default=396_000, ge=1)
    """Points of calls whose window starts before that."""
    scanned_per_second: int = Field(default=4_300_000, ge=1)
    """Points that Metrics Insights queries look at."""
    share: float = Field(default=0.5, gt=0, le=1)
    """How much of each is used: an account has other readers, and a deployment other runs."""

    @classmethod
    def of(cls, settings: Settings) -> Quotas:
        """Those a deployment's settings name."""
        return cls(calls_per_second=settings.cloudwatch_calls_per_second, share=settings.cloudwatch_share)

    def seconds_of(self, points: int, *, selected: bool, reaching_back: timedelta) -> float:
        """How much of its share's time one call takes.

        :param points: points of its complete answer; of a selected one, those of each series.
        """
        if selected:
            # What it scans is not known. One query may look at so many series, and may fill a second's quota by itself.
            scanned = min(MOST_SCANNED * points, self.scanned_per_second)
            return max(1 / self.selected_per_second, scanned / self.scanned_per_second) / self.share
        rate = self.old_points_per_second if reaching_back > OLD else self.points_per_second
        return max(1 / self.calls_per_second, points / rate) / self.share


class Pace:
    """Lets calls through at a rate that halves when one is throttled, and recovers a sixteenth of it a call.

    Safe to be used by several threads. A call takes its share of a second's calls and of a second's points beforehand;
    what a pause of up to a second saved up may be used at once.

    :param clock: the seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, quotas: Quotas | None = None) -> None:
        self._clock = clock
        self._quotas = quotas or Quotas()
        self._lock = threading.Lock()
        self._factor = 1.0
        self._free_at = clock() - _BURST_SECONDS

    @property
    def factor(self) -> float:
        """The share of the full rate that is used at the moment."""
        return self._factor

    def seconds_before(self, points: int, *, selected: bool, reaching_back: timedelta) -> float:
        """Take the turn of a call.

        :param points: points its complete answer has; of a selected one, those of each series.
        :param selected: whether it holds a Metrics Insights query.
        :param reaching_back: how long before now its window starts.
        :returns: how many seconds to wait before it is sent.
        """
        alone = self._quotas.seconds_of(points, selected=selected, reaching_back=reaching_back)
        with self._lock:
            now = self._clock()
            start = max(self._free_at, now - _BURST_SECONDS)
            self._free_at = start + alone / self._factor
            return max(0.0, start - now)

    def throttled(self) -> None:
        """CloudWatch refused a call because there are too many."""
        with self._lock:
            self._factor = max(_SLOWEST, self._factor / 2)

    def answered(self) -> None:
        """CloudWatch answered a call."""
        with self._lock:
            self._factor = min(1.0, self._factor + _RECOVERY)
