"""The gate's verdict on a batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from setpoint.model import (
    Check,
    Completeness,
    MetricBatch,
    QualityReport,
    SeriesHistory,
    SeriesQuality,
    SeriesStatus,
    Verdict,
    worst,
)
from setpoint.quality.fleet import fleet_quality
from setpoint.quality.reference import reference_problems
from setpoint.quality.rules import RULES, bounds_of
from setpoint.quality.words import Row

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy
    from setpoint.signals.locate import SeriesRows
    from setpoint.sources.batches import BatchStore

FULL_REPORT_SERIES = 100
"""Series up to which a report has every check of every series.

In the report on a larger fleet stand only the checks that did not hold: a report is recorded with every run, and those
that held would be most of its 100 MB for 10,000 targets. Age, coverage and samples stand in the signals all the same.
"""
NAMED_SERIES = 500
"""Series whose broken checks name the points that broke them, at most."""


@dataclass(frozen=True)
class Judgement:
    """What the gate made of a batch."""

    report: QualityReport
    history: tuple[SeriesHistory, ...]
    """Of the series that passed, this batch included, and of those whose zeros alone were doubted, with that doubt: to
    be kept, and given back with the next batch."""
    frame: pd.DataFrame | None
    """The batch; ``None`` when it must not be used."""


def judge(
    frame: pd.DataFrame, batch: MetricBatch, policy: Policy, now: datetime, history: Iterable[SeriesHistory] = ()
) -> QualityReport:
    """The report of :func:`judge_frame`."""
    return judge_frame(frame, batch, policy, now, history).report


def judge_frame(
    frame: pd.DataFrame, batch: MetricBatch, policy: Policy, now: datetime, history: Iterable[SeriesHistory] = ()
) -> Judgement:
    """Judge a batch: a verdict for every series the policy needs of every target asked for.

    What is wrong with the batch as a whole (columns, types, rows of another target, metric or unit, another policy)
    fails every series. A series the batch does not speak of fails. Ages are taken at ``batch.pulled_at``: a batch does
    not get worse by waiting for its verdict, and the same batch always gets the same one. For more series than
    :data:`FULL_REPORT_SERIES` the report leaves out the checks that held.

    :param frame: the batch's long form; may be empty.
    :param now: the moment of judging, for the record.
    :param history: what is remembered of the series; those without are judged by themselves.
    :raises GateError: Great Expectations could not evaluate an expectation; nothing is known about the batch then.
    """
    from setpoint.quality.doubt import doubted_histories
    from setpoint.quality.expectations import broken_rules, frame_problems
    from setpoint.quality.memory import accepted_histories
    from setpoint.quality.reference import row_problems
    from setpoint.quality.summary import keys_of, summarise
    from setpoint.signals.locate import SeriesRows

    started = time.perf_counter()
    whole = completed(batch, policy)
    history = tuple(history)
    problems = reference_problems(batch, policy) + frame_problems(frame)
    rows = None
    if not problems:
        rows = SeriesRows(frame, keys_of(whole))
        problems = row_problems(frame, batch, rows)
    if problems or rows is None:
        return Judgement(_all_failed(batch, policy, now, problems, started), (), None)
    summary = summarise(frame, whole, policy, history, rows)
    series = _judged(summary, broken_rules(summary, policy), policy, rows)
    passed = [number for number, one in enumerate(series) if one.verdict is Verdict.PASS]
    report = _report(batch, policy, now, series, started)
    accepted = accepted_histories(summary, passed, batch, policy, history)
    return Judgement(report, accepted + doubted_histories(summary, series, batch, policy, history), frame)


def judge_fleet(
    store: BatchStore, batch: MetricBatch, policy: Policy, now: datetime, history: Iterable[SeriesHistory] = ()
) -> Judgement:
    """Read a batch and judge it. One that cannot be believed (gone, altered, not Parquet) fails every series."""
    from setpoint.sources.batches import BatchError

    started = time.perf_counter()
    try:
        frame = store.read(batch)
    except BatchError as error:
        return Judgement(_all_failed(batch, policy, now, (str(error),), started), (), None)
    return judge_frame(frame, batch, policy, now, history)


def judge_stored(
    store: BatchStore, batch: MetricBatch, policy: Policy, now: datetime, history: Iterable[SeriesHistory] = ()
) -> tuple[QualityReport, pd.DataFrame | None]:
    """The report of :func:`judge_fleet`, and the frame; ``None`` instead of a frame that must not be used."""
    judgement = judge_fleet(store, batch, policy, now, history)
    return judgement.report, judgement.frame


def validate_all(
    frame: pd.DataFrame, batch: MetricBatch, policy: Policy, history: Iterable[SeriesHistory] = ()
) -> tuple[Any, Any]:
    """The policy's whole suite, and all that Great Expectations says of a batch by it: what Data Docs are made from.

    Slower than judging, which looks closely only at what is broken.

    :param frame: a batch without frame problems.
    :raises GateError: Great Expectations could not evaluate an expectation.
    """
    from setpoint.quality.expectations import validation
    from setpoint.quality.summary import summarise

    return validation(summarise(frame, completed(batch, policy), policy, history), policy)


def without_held(report: QualityReport) -> QualityReport:
    """The report with only the checks that did not hold: small enough to pass between tasks for a large fleet."""
    return report.model_copy(update={"series": tuple(_without_held(one) for one in report.series)})


def _report(
    batch: MetricBatch,
    policy: Policy,
    now: datetime,
    series: tuple[SeriesQuality, ...],
    started: float,
    problems: tuple[str, ...] = (),
) -> QualityReport:
    from setpoint.quality.suite import suite_name

    return QualityReport(
        batch_id=batch.batch_id,
        policy=policy.name,
        suite=suite_name(policy.name),
        verdict=worst(tuple(one.verdict for one in series)),
        frame_problems=problems,
        series=series,
        fleet=fleet_quality(series, policy),
        seconds=time.perf_counter() - started,
        judged_at=now,
    )


def _judged(
    summary: pd.DataFrame, broken: Mapping[str, frozenset[tuple[str, str]]], policy: Policy, rows: SeriesRows
) -> tuple[SeriesQuality, ...]:
    full = len(summary) <= FULL_REPORT_SERIES
    keys = list(zip(summary["target"].tolist(), summary["metric"].tolist(), strict=True))
    suspects = frozenset[tuple[str, str]]().union(*broken.values())
    wanted = [number for number, key in enumerate(keys) if full or key in suspects]
    judge_row = _Judge(broken, policy, rows, full)
    found = {
        number: judge_row(number, cast(Row, row))
        for number, row in zip(wanted, summary.iloc[wanted].to_dict("records"), strict=True)
    }
    return tuple(
        found.get(number) or SeriesQuality(target=key[0], metric=key[1], verdict=Verdict.PASS, checks=())
        for number, key in enumerate(keys)
    )


class _Judge:
    """Judges one series after the other."""

    def __init__(
        self, broken: Mapping[str, frozenset[tuple[str, str]]], policy: Policy, rows: SeriesRows, full: bool
    ) -> None:
        self._broken, self._policy, self._rows, self._full = broken, policy, rows, full
        self._bounds = bounds_of(policy, tuple(policy.metrics))
        self._to_name = NAMED_SERIES

    def __call__(self, number: int, row: Row) -> SeriesQuality:
        key = (row["target"], row["metric"])
        failed = [rule.name for rule in RULES if key in self._broken[rule.name]]
        points = self._offending(number, row, failed)
        checks = tuple(
            rule.check(row, self._bounds[rule.name][row["metric"]], rule.name not in failed, points.get(rule.name, ()))
            for rule in RULES
            if row["metric"] in self._bounds[rule.name] and (self._full or rule.name in failed)
        )
        verdict = worst((Verdict.PASS, *(check.severity for check in checks if not check.held)))
        return SeriesQuality(target=row["target"], metric=row["metric"], verdict=verdict, checks=checks)

    def _offending(self, number: int, row: Row, failed: Sequence[str]) -> Mapping[str, tuple[datetime, ...]]:
        from setpoint.quality.offending import offending

        if not failed or self._to_name <= 0:
            return {}
        self._to_name -= 1
        times, values = self._rows.series(number)
        quality = self._policy.quality_of(row["metric"])
        return {name: offending(name, times, values, row, quality) for name in failed}


def _without_held(series: SeriesQuality) -> SeriesQuality:
    return series.model_copy(update={"checks": series.broken})


def _all_failed(
    batch: MetricBatch, policy: Policy, now: datetime, problems: tuple[str, ...], started: float
) -> QualityReport:
    check = Check(
        expectation="batch",
        held=False,
        severity=Verdict.FAIL,
        observed="; ".join(problems),
        allowed="the batch this policy asked for, as it was written",
    )
    asked = dict.fromkeys((target, metric) for target in batch.targets for metric in policy.metrics)
    series = tuple(
        SeriesQuality(target=target, metric=metric, verdict=Verdict.FAIL, checks=(check,)) for target, metric in asked
    )
    return _report(batch, policy, now, series, started, problems)


def completed(batch: MetricBatch, policy: Policy) -> MetricBatch:
    """The batch with a failed status for every series the policy needs and the batch does not speak of."""
    spoken = {(one.target, one.metric) for one in batch.series}
    missing = tuple(
        SeriesStatus(
            target=target,
            metric=metric,
            status=Completeness.ERROR,
            points=0,
            expected_points=config.expected_points,
            period_seconds=config.period_seconds,
            messages=("the batch does not speak of this series",),
        )
        for target in batch.targets
        for metric, config in policy.metrics.items()
        if (target, metric) not in spoken
    )
    return batch.model_copy(update={"series": batch.series + missing}) if missing else batch
