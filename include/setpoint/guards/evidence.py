"""What a run knows of one target: its signals, and the gate's word on each of its metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from setpoint.guards.trust import Trust, trust_of
from setpoint.model import SeriesQuality, Signal, Verdict
from setpoint.policy.guarding import Condition
from setpoint.strategies.tally import Tally, count_beyond


@dataclass(frozen=True)
class Evidence:
    """The metrics of one target that a guard may ask about, beyond those that decide."""

    signals: Mapping[tuple[str, str], Signal] = field(default_factory=dict)
    """By metric and aggregate."""
    series: Sequence[SeriesQuality] = ()
    problems: Sequence[str] = ()
    """What is wrong with the batch as a whole."""

    def doubt(self, metric: str) -> str | None:
        """Why a metric's numbers must not be used for taking capacity away, or ``None`` when they are clean."""
        trust: Trust = trust_of(self.series, (metric,), self.problems)
        return None if trust.verdict is Verdict.PASS else str(trust)

    def value(self, metric: str, aggregate: str) -> float | None:
        """An aggregate; ``None`` when there is none. A missing value is not a number."""
        signal = self.signals.get((metric, aggregate))
        if signal is None or signal.value is None or not math.isfinite(signal.value):
            return None
        return signal.value

    def tally(self, condition: Condition) -> Tally:
        """How a condition stands over the metric's newest points; without a signal all of them are missing."""
        points = next((one.points for (metric, _), one in self.signals.items() if metric == condition.metric), ())
        return count_beyond(points, condition.for_, condition.side, condition.threshold)
