"""The gate's verdict on a batch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

from setpoint.model import Check, Completeness, MetricBatch, QualityReport, SeriesQuality, SeriesStatus, Verdict, worst
from setpoint.quality.rules import RULES, Row

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy
    from setpoint.sources.batches import BatchStore


FULL_REPORT_SERIES = 6_000
"""Series up to which a report has every check of every series.

In the report on a larger fleet stand only the checks that did not hold: a report is recorded with every run, and those
that held would be most of its 50 MB for 10,000 targets. Age, coverage and samples stand in the signals all the same.
"""


def judge(frame: pd.DataFrame, batch: MetricBatch, policy: Policy, now: datetime) -> QualityReport:
    """Judge a batch: a verdict for every series the policy needs of every target asked for.

    What is wrong with the batch as a whole (columns, types, rows of another target, metric or unit, another policy)
    fails every series. A series the batch does not speak of fails. Ages are taken at ``batch.pulled_at``: a batch does
    not get worse by waiting for its verdict, and the same batch always gets the same one. For more series than
    :data:`FULL_REPORT_SERIES` the report leaves out the checks that held.

    :param frame: the batch's long form; may be empty.
    :param now: the moment of judging, for the record.
    :raises GateError: Great Expectations could not evaluate an expectation; nothing is known about the batch then.
    """
    from setpoint.quality.expectations import broken_rules, frame_problems, suite_name
    from setpoint.quality.summary import summarise

    started = time.perf_counter()
    problems = _reference_problems(batch, policy) + (frame_problems(frame) or _row_problems(frame, batch))
    if problems:
        series = _all_failed(batch, policy, problems)
    else:
        summary = summarise(frame, _completed(batch, policy), policy)
        broken = broken_rules(summary, suite_name(policy.name))
        series = _judged(summary, broken)
    return QualityReport(
        batch_id=batch.batch_id,
        policy=policy.name,
        suite=suite_name(policy.name),
        verdict=worst(tuple(one.verdict for one in series)),
        frame_problems=problems,
        series=series,
        seconds=time.perf_counter() - started,
        judged_at=now,
    )


def judge_stored(
    store: BatchStore, batch: MetricBatch, policy: Policy, now: datetime
) -> tuple[QualityReport, pd.DataFrame | None]:
    """Read a batch and judge it. One that cannot be believed (gone, altered, not Parquet) fails every series.

    :returns: the report, and the frame; ``None`` instead of a frame that must not be used.
    """
    from setpoint.quality.expectations import suite_name
    from setpoint.sources.batches import BatchError

    started = time.perf_counter()
    try:
        frame = store.read(batch)
    except BatchError as error:
        report = QualityReport(
            batch_id=batch.batch_id,
            policy=policy.name,
            suite=suite_name(policy.name),
            verdict=Verdict.FAIL,
            frame_problems=(str(error),),
            series=_all_failed(batch, policy, (str(error),)),
            seconds=time.perf_counter() - started,
            judged_at=now,
        )
        return report, None
    report = judge(frame, batch, policy, now)
    return report, None if report.frame_problems else frame


def without_held(report: QualityReport) -> QualityReport:
    """The report with only the checks that did not hold: small enough to pass between tasks for a large fleet."""
    return report.model_copy(update={"series": tuple(_without_held(one) for one in report.series)})


def _judged(summary: pd.DataFrame, broken: Mapping[str, frozenset[tuple[str, str]]]) -> tuple[SeriesQuality, ...]:
    if len(summary) <= FULL_REPORT_SERIES:
        return tuple(_judged_row(row, broken) for row in cast("list[Row]", summary.to_dict("records")))
    suspects = frozenset[tuple[str, str]]().union(*broken.values())
    keys = list(zip(summary["target"].tolist(), summary["metric"].tolist(), strict=True))
    rows = cast("list[Row]", summary[[key in suspects for key in keys]].to_dict("records"))
    judged = {(row["target"], row["metric"]): _without_held(_judged_row(row, broken)) for row in rows}
    return tuple(
        judged.get(key) or SeriesQuality(target=key[0], metric=key[1], verdict=Verdict.PASS, checks=()) for key in keys
    )


def _judged_row(row: Row, broken: Mapping[str, frozenset[tuple[str, str]]]) -> SeriesQuality:
    key = (row["target"], row["metric"])
    checks = tuple(rule.check(row, key not in broken[rule.name]) for rule in RULES)
    verdict = worst((Verdict.PASS, *(check.severity for check in checks if not check.held)))
    return SeriesQuality(target=row["target"], metric=row["metric"], verdict=verdict, checks=checks)


def _without_held(series: SeriesQuality) -> SeriesQuality:
    return series.model_copy(update={"checks": series.broken})


def _all_failed(batch: MetricBatch, policy: Policy, problems: tuple[str, ...]) -> tuple[SeriesQuality, ...]:
    check = Check(
        expectation="batch",
        held=False,
        severity=Verdict.FAIL,
        observed="; ".join(problems),
        allowed="the batch this policy asked for, as it was written",
    )
    asked = dict.fromkeys((target, metric) for target in _targets(batch) for metric in policy.metrics)
    return tuple(
        SeriesQuality(target=target, metric=metric, verdict=Verdict.FAIL, checks=(check,)) for target, metric in asked
    )


def _targets(batch: MetricBatch) -> dict[str, None]:
    return dict.fromkeys(one.target for one in batch.series)


def _completed(batch: MetricBatch, policy: Policy) -> MetricBatch:
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
        for target in _targets(batch)
        for metric, config in policy.metrics.items()
        if (target, metric) not in spoken
    )
    return batch.model_copy(update={"series": batch.series + missing}) if missing else batch


def _reference_problems(batch: MetricBatch, policy: Policy) -> tuple[str, ...]:
    """Where a batch's reference does not fit the policy it is judged for."""
    problems = []
    if batch.policy != policy.name:
        problems.append(f"the batch was pulled for policy {batch.policy}; this is policy {policy.name}")
    seen = {one.metric: one for one in batch.series}
    for metric, status in seen.items():
        config = policy.metrics.get(metric)
        if config is None:
            problems.append(f"the batch was asked for {metric}, which is no metric of policy {policy.name}")
        elif (status.period_seconds, status.expected_points) != (config.period_seconds, config.expected_points):
            problems.append(
                f"{metric} was asked for {status.expected_points} points of {status.period_seconds} s; "
                f"the policy now says {config.expected_points} of {config.period_seconds} s"
            )
        elif batch.units.get(metric, "") != config.unit:
            problems.append(f"{metric} came in unit {batch.units.get(metric, '')!r}; the policy says {config.unit!r}")
    return tuple(problems)


def _row_problems(frame: pd.DataFrame, batch: MetricBatch) -> tuple[str, ...]:
    from setpoint.quality.summary import strangers

    problems = []
    if len(frame) != batch.rows:
        problems.append(f"the frame has {len(frame)} rows; the batch was written with {batch.rows}")
    strange = strangers(frame, batch)
    if strange.rows:
        problems.append(f"{strange.rows} rows are of series nobody asked for, such as {', '.join(strange.examples)}")
    return tuple(problems)
