"""What the policy and the window allow, as one number a series: what measuring compares with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from setpoint.model import MetricBatch
from setpoint.signals.aggregate import periods_of
from setpoint.signals.locate import Booleans, Floats, Integers, microseconds

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy
    from setpoint.quality.past import Past

INFINITE = float("inf")
_KINDS = {
    **dict.fromkeys(("start_us", "period_us", "expected", "future_us"), np.int64),
    "usual_codes": np.bool_,
}


@dataclass(frozen=True)
class Limits:
    """One number a series, shape (n,). A check that is off has a limit nothing can break."""

    start_us: Integers
    """The window's start, in microseconds since the Unix epoch."""
    period_us: Integers
    expected: Integers
    """Periods of the window."""
    future_us: Integers
    """One period after the pull: a later point is from the future."""
    low: Floats
    high: Floats
    floor: Floats
    """A lower value is an error code; minus infinity where there may be negative ones."""
    own_codes: Floats
    """The metric's own error codes, shape (n, most of any metric), NaN where there are fewer."""
    usual_codes: Booleans
    """Whether a usual error code is looked for."""
    newest_spike: Floats
    max_spike: Floats
    largest_before: Floats
    """The largest size of a point in the accepted batches; 0 without one."""
    median_before: Floats
    """Of the last accepted batch; NaN without one."""

    def of(self, series: Integers) -> Limits:
        """The limits of some series."""
        return Limits(**{field.name: getattr(self, field.name)[series] for field in fields(self)})


class ByMetric:
    """What depends on a series' metric alone, worked out once a metric."""

    def __init__(self, batch: MetricBatch) -> None:
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(one.metric, len(numbers)) for one in batch.series]
        self._codes = np.array(codes, dtype=np.int64)
        self.metrics = tuple(numbers)

    def each(self, of_metric: Callable[[str], Any], kind: Any) -> npt.NDArray[Any]:
        """One value a series, in the batch's order."""
        return np.array([of_metric(metric) for metric in self.metrics], dtype=kind)[self._codes]


def limits_of(batch: MetricBatch, policy: Policy, by_metric: ByMetric, past: Past) -> Limits:
    """The limits of every series of a batch, in its order."""
    most = max((len(policy.quality_of(metric).own_codes) for metric in by_metric.metrics), default=0)
    rows = {metric: _of_metric(metric, batch, policy, most) for metric in by_metric.metrics}
    before = {"largest_before": past.largest, "median_before": past.median}

    def column(name: str) -> npt.NDArray[Any]:
        return by_metric.each(lambda metric: rows[metric][name], _KINDS.get(name, np.float64))

    columns = {field.name: column(field.name) for field in fields(Limits) if field.name not in before}
    return Limits(**columns, **before)


def _of_metric(metric: str, batch: MetricBatch, policy: Policy, most_codes: int) -> dict[str, Any]:
    periods = periods_of(policy, metric, batch)
    quality = policy.quality_of(metric)
    low, high = quality.between or (-INFINITE, INFINITE)
    period_us = periods.seconds * 1_000_000
    own = quality.own_codes
    return {
        "start_us": microseconds(periods.window.start),
        "period_us": period_us,
        "expected": periods.count,
        "future_us": microseconds(batch.pulled_at) + period_us,
        "low": low,
        "high": high,
        "floor": -INFINITE if quality.floor is None else quality.floor,
        "own_codes": [*own, *[np.nan] * (most_codes - len(own))],
        "usual_codes": quality.error_codes is not False,
        "newest_spike": quality.newest_spike or INFINITE,
        "max_spike": quality.max_spike or INFINITE,
    }
