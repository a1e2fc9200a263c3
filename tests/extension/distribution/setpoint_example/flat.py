"""A source whose every point has the value that the policy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Literal

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.contract import Fetched, MetricConfig


class FlatMetric(MetricConfig):
    """``source: example.flat``."""

    source: Literal["example.flat"]
    value: float


class FlatSource:
    """Answers completely, at once."""

    Config: ClassVar[type[FlatMetric]] = FlatMetric
    connection_type: ClassVar[str | None] = None
    permissions: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = "it never is"

    def fetch(self, metrics: Mapping[str, FlatMetric], targets: Sequence[str], now: datetime) -> Fetched:
        import pandas as pd

        rows, series = [], []
        for metric, config in metrics.items():
            window = config.window_at(now)
            for target in targets:
                moments = pd.date_range(window.start, window.end, freq=config.period, inclusive="left")
                rows.append(
                    pd.DataFrame({"timestamp": moments, "target": target, "metric": metric, "value": config.value})
                )
                series.append(
                    SeriesStatus(
                        target=target,
                        metric=metric,
                        status=Completeness.COMPLETE,
                        points=len(moments),
                        expected_points=config.expected_points,
                        period_seconds=config.period_seconds,
                    )
                )
        return Fetched(frame=pd.concat(rows), series=tuple(series), units={})
