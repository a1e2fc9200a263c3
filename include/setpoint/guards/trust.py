"""How far one target's data can be trusted: the gate's verdict on the series that decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from setpoint.model import QualityReport, SeriesQuality, Verdict, worst


@dataclass(frozen=True)
class Trust:
    """The worst verdict among a target's deciding series, and every problem in words."""

    verdict: Verdict
    problems: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    """The metrics whose data is degraded."""

    def __str__(self) -> str:
        return "; ".join(self.problems)


def trust_of(series: Iterable[SeriesQuality], metrics: Sequence[str], frame_problems: Sequence[str] = ()) -> Trust:
    """The trust in one target's data.

    A problem of the whole frame fails the target; so does a deciding metric that the report says nothing about: what
    nobody checked is not trusted.

    :param series: the target's series in the quality report; those of other metrics are left out.
    :param metrics: the metrics that decide.
    """
    problems = [f"the whole batch: {problem}" for problem in frame_problems]
    verdicts = [Verdict.FAIL for _ in frame_problems]
    degraded: list[str] = []
    by_metric: dict[str, list[SeriesQuality]] = {metric: [] for metric in metrics}
    for one in series:
        by_metric.get(one.metric, []).append(one)
    for metric, judged in by_metric.items():
        verdict = worst(tuple(one.verdict for one in judged))
        verdicts.append(verdict)
        if verdict is Verdict.DEGRADED:
            degraded.append(metric)
        if not judged:
            problems.append(f"{metric}: nobody checked it")
        problems += [_in_words(one) for one in judged if one.verdict is not Verdict.PASS]
    return Trust(verdict=worst(tuple(verdicts)), problems=tuple(problems), degraded=tuple(degraded))


def fleet_trust(report: QualityReport, metrics: Sequence[str], targets: Iterable[str]) -> dict[str, Trust]:
    """The trust in the data of each of some targets. A source that is broken fails them all, whatever their own data.

    :param metrics: the metrics that decide.
    """
    series_of: defaultdict[str, list[SeriesQuality]] = defaultdict(list)
    for one in report.series:
        series_of[one.target].append(one)
    broken = source_problem(report)
    trusted = {target: trust_of(series_of[target], metrics, report.frame_problems) for target in targets}
    if not broken:
        return trusted
    return {
        target: replace(trust, verdict=Verdict.FAIL, problems=(f"the source is broken: {broken}", *trust.problems))
        for target, trust in trusted.items()
    }


def source_problem(report: QualityReport) -> str:
    """What is wrong with the source of the whole fleet, in a sentence; empty when nothing is."""
    return "; ".join(one.text for one in report.source_broken)


def _in_words(series: SeriesQuality) -> str:
    broken = ", ".join(f"{check.expectation} {check.observed} (allowed: {check.allowed})" for check in series.broken)
    return f"{series.metric}: {broken or series.verdict.value}"
