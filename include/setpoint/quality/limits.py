"""What the policy and the window allow, as one number a series: what measuring compares with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from setpoint.model import MetricBatch
from setpoint.signals.aggregate import periods_of
from setpoint.signals.locate import Floats, Integers, microseconds

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

INFINITE = float("inf")


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
    newest_spike: Floats
    max_spike: Floats

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


def limits_of(batch: MetricBatch, policy: Policy, by_metric: ByMetric) -> Limits:
    """The limits of every series of a batch, in its order."""
    rows = {metric: _of_metric(metric, batch, policy) for metric in by_metric.metrics}
    whole = ("start_us", "period_us", "expected", "future_us")

    def column(name: str) -> npt.NDArray[Any]:
        return by_metric.each(lambda metric: rows[metric][name], np.int64 if name in whole else np.float64)

    return Limits(**{field.name: column(field.name) for field in fields(Limits)})


def _of_metric(metric: str, batch: MetricBatch, policy: Policy) -> dict[str, Any]:
    periods = periods_of(policy, metric, batch)
    quality = policy.quality_of(metric)
    low, high = quality.between or (-INFINITE, INFINITE)
    period_us = periods.seconds * 1_000_000
    return {
        "start_us": microseconds(periods.window.start),
        "period_us": period_us,
        "expected": periods.count,
        "future_us": microseconds(batch.pulled_at) + period_us,
        "low": low,
        "high": high,
        "newest_spike": quality.newest_spike or INFINITE,
        "max_spike": quality.max_spike or INFINITE,
    }
