"""What is remembered of a batch's series, in the batch's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from setpoint.model import MetricBatch, SeriesHistory

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

_ANY_RUN = 1 << 30
"""Longer than any window."""


def usable(
    batch: MetricBatch, policy: Policy, history: Iterable[SeriesHistory]
) -> dict[tuple[str, str], SeriesHistory]:
    """The histories that are not forgotten yet, by target and metric."""
    oldest = {metric: batch.pulled_at - policy.quality_of(metric).history_for for metric in policy.metrics}
    return {
        (one.target, one.metric): one
        for one in history
        if one.metric in oldest and one.accepted_at >= oldest[one.metric]
    }


class Past:
    """The histories in the batch's order, one number a series; NaN, or 0, where there is none."""

    def __init__(self, batch: MetricBatch, policy: Policy, history: Iterable[SeriesHistory]) -> None:
        known = usable(batch, policy, history)
        found = [known.get((one.target, one.metric)) for one in batch.series] if known else [None] * len(batch.series)

        def numbers(of: Callable[[SeriesHistory], Any], none: Any, kind: Any = np.int64) -> npt.NDArray[Any]:
            return np.array([of(one) if one else none for one in found], dtype=kind)

        self.batches = numbers(lambda one: one.batches, 0)
        self.points = numbers(lambda one: one.points, 0)
        self.zeros = numbers(lambda one: one.zeros, 0)
        self.longest_run = numbers(lambda one: one.longest_run, 0)
        self.median = numbers(lambda one: one.median, np.nan, np.float64)
        self.spread = numbers(lambda one: one.spread, 0.0, np.float64)
        self.highest = numbers(lambda one: one.highest, np.inf, np.float64)
        self.largest = numbers(lambda one: max(abs(one.lowest), abs(one.highest)), 0.0, np.float64)
        # A history from before runs of zeros were counted allows any, where there was a zero at all.
        self.zero_run = numbers(lambda one: one.zero_run if one.zero_run is not None else one.zeros * _ANY_RUN, 0)
