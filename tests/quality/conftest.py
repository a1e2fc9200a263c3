"""A batch of a whole fleet to break: every series complete and clean until a test says otherwise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from setpoint.model import FRAME_COLUMNS, Completeness, MetricBatch, QualityReport, SeriesQuality, SeriesStatus, Window
from setpoint.policy.schema import Policy
from setpoint.quality import judge
from setpoint.testing.values import NOW, a_policy

sys.path.insert(0, str(Path(__file__).parent))  # for the helper module beside this file

Points = list[tuple[datetime, float]]
PERIODS = 10


def the_policy(**quality: Any) -> Policy:
    """One metric, ``cpu`` in percent, ten periods of a minute."""
    cpu = {"source": "aws.cloudwatch", "namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average"}
    return a_policy(
        metrics={"cpu": {**cpu, "period": "1m", "window": "10m", "unit": "Percent"}},
        quality={"cpu": {"between": [0, 100], **quality}},
    )


def clean(value: float = 50.0) -> Points:
    """One point a period, oldest first."""
    return [(NOW - timedelta(minutes=PERIODS - slot), value + slot) for slot in range(PERIODS)]


def frame_of(fleet: Mapping[str, Points], metric: str = "cpu") -> pd.DataFrame:
    """The long frame of a fleet."""
    rows = [(moment, target, metric, value) for target, points in fleet.items() for moment, value in points]
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS)).astype(
        {"timestamp": "datetime64[us, UTC]", "target": "str", "metric": "str", "value": "float64"}
    )


def batch_of(fleet: Mapping[str, Points], **fields: Any) -> MetricBatch:
    """The reference to a fleet's batch, with the source's word that it is complete."""
    series = tuple(
        SeriesStatus(
            target=target,
            metric="cpu",
            status=Completeness.COMPLETE,
            points=len(points),
            expected_points=PERIODS,
            period_seconds=60,
        )
        for target, points in fleet.items()
    )
    return MetricBatch.model_validate(
        {
            "batch_id": "batch-1",
            "policy": "web",
            "uri": "/nowhere",
            "window": Window(start=NOW - timedelta(minutes=PERIODS), end=NOW),
            "rows": sum(map(len, fleet.values())),
            "sha256": "0" * 64,
            "units": {"cpu": "Percent"},
            "series": series,
            "pulled_at": NOW,
            **fields,
        }
    )


class Gate:
    """Judges fleets: ``gate.judge({"web": points})``."""

    policy = staticmethod(the_policy)
    clean = staticmethod(clean)
    frame = staticmethod(frame_of)
    batch = staticmethod(batch_of)

    def judge(self, fleet: Mapping[str, Points], policy: Policy | None = None, **fields: Any) -> QualityReport:
        return judge(frame_of(fleet), batch_of(fleet, **fields), policy or the_policy(), NOW)

    def one(self, points: Points, policy: Policy | None = None, **fields: Any) -> SeriesQuality:
        """The verdict on a single series."""
        (series,) = self.judge({"web": points}, policy, **fields).series
        return series

    def broken(self, points: Points, policy: Policy | None = None, **fields: Any) -> dict[str, str]:
        """The checks that did not hold, with what was observed."""
        return {check.expectation: check.observed for check in self.one(points, policy, **fields).broken}


@pytest.fixture(scope="session")
def gate() -> Gate:
    """The gate."""
    return Gate()
