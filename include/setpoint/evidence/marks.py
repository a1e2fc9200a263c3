"""What of a batch is drawn: the series that did not pass, the worst first, with the points that broke a check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from setpoint.evidence.html import Html
from setpoint.evidence.plot import Series, plot
from setpoint.model import MetricBatch, QualityReport, SeriesQuality, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy

MOST_PLOTS = 12
"""Series that are drawn on one page."""


def worst_series(report: QualityReport) -> list[SeriesQuality]:
    """The series that did not pass, failed ones first; of equals every target once before one comes twice."""
    wrong = [one for one in report.series if one.verdict is not Verdict.PASS]
    seen: dict[str, int] = {}
    ranked = []
    for one in wrong:
        place = seen[one.target] = seen.get(one.target, -1) + 1
        ranked.append((-one.verdict.severity, place, one))
    return [one for _, _, one in sorted(ranked, key=lambda rank: rank[:2])]


def plots_of(
    frame: pd.DataFrame, batch: MetricBatch, report: QualityReport, policy: Policy, most: int = MOST_PLOTS
) -> list[Html]:
    """The plots of the worst series, at most ``most``; of a batch that passed, of its first series."""
    chosen: Sequence[SeriesQuality] = worst_series(report) or report.series
    return [plot(_series(frame, batch, one, policy)) for one in chosen[:most] if one.metric in policy.metrics]


def _series(frame: pd.DataFrame, batch: MetricBatch, judged: SeriesQuality, policy: Policy) -> Series:
    metric = policy.metrics[judged.metric]
    rows = frame[(frame["target"] == judged.target) & (frame["metric"] == judged.metric) & frame["timestamp"].notna()]
    times = [one.to_pydatetime(warn=False) for one in rows["timestamp"]]
    window = metric.window_at(batch.pulled_at)
    return Series(
        title=f"{judged.metric} of {judged.target}: {judged.verdict.value}",
        points=list(zip(times, rows["value"].tolist(), strict=True)),
        marked=frozenset(moment for check in judged.broken for moment in check.offending),
        start=window.start,
        end=window.end,
        period=metric.period,
        allowed=policy.quality_of(judged.metric).between,
        unit=batch.units.get(judged.metric) or metric.unit,
    )
