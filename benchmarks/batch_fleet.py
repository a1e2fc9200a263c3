"""A synthetic fleet for the batch benchmark: five metrics a target, one clean point a minute."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from setpoint.model import Completeness, MetricBatch, SeriesStatus, Window
from setpoint.policy.schema import Policy
from setpoint.sources.frame import long_frame

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
METRICS = ("cpu", "latency", "requests", "queue", "threads")


def a_policy(points: int) -> Policy:
    """A policy that decides on one metric, judges health by another, and has every check of the gate at its default."""
    metric = {"source": "aws.cloudwatch", "namespace": "Bench", "name": "x", "statistic": "Average", "period": "1m"}
    return Policy.model_validate(
        {
            "version": 1,
            "name": "bench",
            "owner": "benchmarks",
            "targets": {"kind": "aws.autoscaling_group", "names": ["any"]},
            "metrics": {name: {**metric, "window": f"{points}m"} for name in METRICS},
            "quality": {name: {"between": [0, 1000]} for name in METRICS},
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "cpu", "aggregate": "p90"},
                "out": {"above": 70, "for": "3 of 5", "add": 2},
            },
            "limits": {"min": 1, "max": 10},
            "feedback": {"after": "5m", "healthy": {"latency": {"aggregate": "p95", "max": 250}}},
        }
    )


def a_fleet(targets: int, policy: Policy, points: int) -> tuple[pd.DataFrame, MetricBatch]:
    """The batch of a fleet, and its reference."""
    keys = [(f"group-{number}", metric) for number in range(targets) for metric in METRICS]
    start = int(policy.metrics["cpu"].window_at(NOW).start.timestamp())
    values = np.random.default_rng(7).normal(50, 8, points * len(keys)).clip(10, 90)
    frame = long_frame(
        microseconds=np.tile((start + 60 * np.arange(points)) * 1_000_000, len(keys)),
        targets=[target for target, _ in keys],
        metrics=[metric for _, metric in keys],
        counts=[points] * len(keys),
        values=values,
    )
    series = tuple(
        SeriesStatus(
            target=target,
            metric=metric,
            status=Completeness.COMPLETE,
            points=points,
            expected_points=points,
            period_seconds=60,
        )
        for target, metric in keys
    )
    reference = MetricBatch(
        batch_id="bench",
        policy="bench",
        uri="/nowhere",
        window=Window(start=datetime.fromtimestamp(start, tz=UTC), end=NOW),
        rows=len(frame),
        sha256="0" * 64,
        units=dict.fromkeys(METRICS, ""),
        series=series,
        pulled_at=NOW,
    )
    return frame, reference
