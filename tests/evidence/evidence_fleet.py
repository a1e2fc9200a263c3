"""Stored batches of small fleets, judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from setpoint.evidence.case import Case, case_of
from setpoint.model import (
    FRAME_COLUMNS,
    Completeness,
    Decision,
    MetricBatch,
    QualityReport,
    SeriesStatus,
    Verdict,
    Window,
)
from setpoint.policy.schema import Policy
from setpoint.quality import judge
from setpoint.sources.batches import BatchStore
from setpoint.testing.values import NOW, a_decision

HOSTILE = (
    "<script>alert('x')</script>\"><img src=x onerror=alert(1)> ${html_success_icon} $column {{ 7*7 }} "
    "\u202egnp\x1b[31m"
)
"""A target's name that a careless page would obey."""

PERIODS = 10
Values = Sequence[float | None]


def policy_document(**sections: Any) -> dict[str, Any]:
    """A policy of one metric in percent, ten periods of a minute, as its file has it."""
    cpu = {"source": "aws.cloudwatch", "namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average"}
    metrics = {"cpu": {**cpu, "period": "1m", "window": "10m", "unit": "Percent"}}
    return {
        "version": 1,
        "name": "web",
        "owner": "platform",
        "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": ["web-1", "web-2"]},
        "metrics": metrics,
        "quality": {"cpu": {"between": [0, 100]}},
        "scale": {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "p90"},
            "out": {"above": 70, "for": "3 of 5", "add": 2},
            "in": {"below": 30, "for": "5 of 5", "remove": 1},
        },
        "limits": {"min": 2, "max": 10, "cooldown": {"out": "2m", "in": "10m"}},
        "feedback": {"after": "5m", "healthy": {"cpu": {"max": 90}}},
        **sections,
    }


def the_policy(**sections: Any) -> Policy:
    """The same, loaded."""
    return Policy.model_validate(policy_document(**sections))


def clean() -> list[float | None]:
    """One ordinary point a period."""
    return [50.0 + slot for slot in range(PERIODS)]


@dataclass(frozen=True)
class Stored:
    """A batch in a store, judged."""

    store: BatchStore
    policy: Policy
    frame: pd.DataFrame
    batch: MetricBatch
    report: QualityReport

    def case(self, **fields: Any) -> Case:
        """The case of it: every target with failing data was put in quarantine, at four units."""
        failed = {one.target for one in self.report.series if one.verdict is Verdict.FAIL}
        decided = tuple(self.decision(one) for one in self.batch.targets if one in failed)
        made = case_of(self.policy, "web/run-1", self.batch, self.report, decided, NOW)
        return made.model_copy(update=fields)

    def decision(self, target: str) -> Decision:
        """What was decided about a target then."""
        return a_decision(target, 4, 4, action="quarantine", run_id="web/run-1", quality="fail")


def store_of(
    root: Path, fleet: Mapping[str, Values], policy: Policy | None = None, pulled_at: datetime = NOW
) -> Stored:
    """Write and judge a fleet's batch: one value a period, ``None`` for a missing point."""
    policy = policy or the_policy()
    start = pulled_at - timedelta(minutes=PERIODS)
    rows = [
        (start + timedelta(minutes=slot), target, "cpu", value)
        for target, values in fleet.items()
        for slot, value in enumerate(values)
        if value is not None
    ]
    frame = pd.DataFrame(rows, columns=list(FRAME_COLUMNS)).astype(
        {"timestamp": "datetime64[us, UTC]", "target": "str", "metric": "str", "value": "float64"}
    )
    series = [
        SeriesStatus(
            target=target,
            metric="cpu",
            status=Completeness.COMPLETE,
            points=sum(value is not None for value in values),
            expected_points=PERIODS,
            period_seconds=60,
        )
        for target, values in fleet.items()
    ]
    store = BatchStore(root)
    batch = store.write(
        frame,
        policy="web",
        window=Window(start=start, end=pulled_at),
        series=series,
        units={"cpu": "Percent"},
        pulled_at=pulled_at,
    )
    return Stored(store, policy, frame, batch, judge(frame, batch, policy, pulled_at))
