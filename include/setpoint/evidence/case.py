"""A batch in quarantine, with all that is needed to understand it and to judge it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from setpoint.model import Decision, MetricBatch, QualityReport, SeriesHistory, Verdict, digest
from setpoint.model.base import Name, UtcDatetime, Value
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore

MOST_REASONS = 20
"""Reasons of a case that are told; the report has all."""


class Case(Value):
    """Why a batch lies in quarantine, and what was decided on it. The report lies beside it."""

    format: Literal[1] = 1
    run_id: Name
    batch: MetricBatch
    verdict: Verdict
    why: tuple[str, ...]
    """The first reasons, each in a sentence."""
    decisions: tuple[Decision, ...]
    history: tuple[SeriesHistory, ...] = ()
    """What the gate remembered of the series that did not pass; the others keep their checks without it."""
    policy_digest: str | None
    """Of the policy it was judged for; another one now means that the policy was changed since. ``None``: not known."""
    kept_at: UtcDatetime


def case_of(
    policy: Policy | None,
    run_id: str,
    batch: MetricBatch,
    report: QualityReport,
    decisions: Sequence[Decision],
    now: datetime,
    history: Iterable[SeriesHistory] = (),
) -> Case:
    """The case of a batch that was judged.

    :param policy: what it was judged for; ``None`` when that is not known any more.
    :param history: what the gate remembers of the policy's series.
    """
    wrong = {(one.target, one.metric) for one in report.series if one.verdict is not Verdict.PASS}
    return Case(
        run_id=run_id,
        batch=batch,
        verdict=report.verdict,
        why=reasons_of(report),
        decisions=tuple(decisions),
        history=tuple(one for one in history if (one.target, one.metric) in wrong),
        policy_digest=None if policy is None else policy_digest(policy),
        kept_at=now,
    )


def reasons_of(report: QualityReport) -> tuple[str, ...]:
    """Why a batch did not pass: what is wrong with all of it, then the worst series first, a sentence a check."""
    told = [*report.frame_problems, *(one.text for one in report.source_broken)]
    if not report.frame_problems:  # each series would repeat these
        for one in sorted(report.series, key=lambda series: -series.verdict.severity):
            told += [
                f"{one.target} {one.metric}: {check.expectation}: {check.observed}; allowed: {check.allowed}"
                for check in one.broken
            ]
            if len(told) > MOST_REASONS:
                break
    return tuple(told[:MOST_REASONS])


def policy_digest(policy: Policy) -> str:
    """What tells one version of a policy from another."""
    return digest(policy.model_dump(mode="json"))


def put_aside(store: BatchStore, case: Case, report: QualityReport) -> str:
    """Put a batch in quarantine: its file, the report, and the case. Doing it twice changes nothing.

    :returns: the path of the report; the rest lies beside it.
    :raises BatchError: it cannot be written.
    """
    path = store.quarantine(case.batch, report)
    store.keep_beside(case.batch, "case.json", case.model_dump_json(indent=2).encode(), quarantined=True)
    return str(path)
