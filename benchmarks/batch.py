"""A batch through the gate and into signals, against the plain way: Great Expectations on the raw frame, then groupby.

Both ways run in this process, on the same frames, one after the other; what counts is the ratio.
Run it with ``python -m benchmarks.batch``. Peak memory is what Python and numpy allocate at most (tracemalloc), taken
in a pass of its own because counting costs time.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from setpoint.model import Completeness, MetricBatch, SeriesStatus, Verdict, Window
from setpoint.policy.schema import Policy
from setpoint.quality import judge
from setpoint.signals import aggregate
from setpoint.sources.frame import long_frame

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POINTS = 60
METRICS = ("cpu", "latency", "requests")


@dataclass(frozen=True)
class Row:
    """One size: the median of both ways, in milliseconds, and the peak of both, in megabytes."""

    targets: int
    rows: int
    ours_ms: float
    plain_ms: float
    ours_mb: float
    plain_mb: float

    @property
    def ratio(self) -> float:
        """How many times longer the plain way takes."""
        return self.plain_ms / self.ours_ms


def main() -> None:
    """Measure and print the table."""
    print("| targets | rows | setpoint ms | plain ms | plain / setpoint | setpoint peak MB | plain peak MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for row in measure():
        print(
            f"| {row.targets} | {row.rows} | {row.ours_ms:.0f} | {row.plain_ms:.0f} | {row.ratio:.1f} "
            f"| {row.ours_mb:.0f} | {row.plain_mb:.0f} |"
        )


def measure(sizes: tuple[int, ...] = (3, 100, 1000), repeats: int = 3) -> list[Row]:
    """Both ways for fleets of several sizes, three metrics of sixty points for each target."""
    found = []
    policy = _policy()
    for targets in sizes:
        frame, batch = _fleet(targets, policy)

        def ours(frame: pd.DataFrame = frame, batch: MetricBatch = batch) -> None:
            assert judge(frame, batch, policy, NOW).verdict is Verdict.PASS
            assert len(aggregate(frame, batch, policy)) == 2 * len(batch.series) // len(METRICS)

        def plain(frame: pd.DataFrame = frame) -> None:
            assert _expectations_on_raw(frame)
            _grouped(frame)

        ours()  # the first run imports and fills caches
        plain()
        pairs = [(_milliseconds(ours), _milliseconds(plain)) for _ in range(repeats)]
        found.append(
            Row(
                targets=targets,
                rows=len(frame),
                ours_ms=statistics.median(one for one, _ in pairs),
                plain_ms=statistics.median(other for _, other in pairs),
                ours_mb=_peak_megabytes(ours),
                plain_mb=_peak_megabytes(plain),
            )
        )
    return found


def _policy() -> Policy:
    metric = {
        "source": "aws.cloudwatch",
        "namespace": "Bench",
        "name": "x",
        "statistic": "Average",
        "period": "1m",
        "window": f"{POINTS}m",
    }
    return Policy.model_validate(
        {
            "version": 1,
            "name": "bench",
            "owner": "benchmarks",
            "targets": {"kind": "aws.autoscaling_group", "names": ["any"]},
            "metrics": dict.fromkeys(METRICS, metric),
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


def _fleet(targets: int, policy: Policy) -> tuple[pd.DataFrame, MetricBatch]:
    keys = [(f"group-{number}", metric) for number in range(targets) for metric in METRICS]
    start = int(policy.metrics["cpu"].window_at(NOW).start.timestamp())
    random = np.random.default_rng(7)
    frame = long_frame(
        microseconds=np.tile((start + 60 * np.arange(POINTS)) * 1_000_000, len(keys)),
        targets=[target for target, _ in keys],
        metrics=[metric for _, metric in keys],
        counts=[POINTS] * len(keys),
        values=random.uniform(1, 100, POINTS * len(keys)),
    )
    series = tuple(
        SeriesStatus(
            target=target,
            metric=metric,
            status=Completeness.COMPLETE,
            points=POINTS,
            expected_points=POINTS,
            period_seconds=60,
        )
        for target, metric in keys
    )
    batch = MetricBatch(
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
    return frame, batch


def _expectations_on_raw(frame: pd.DataFrame) -> bool:
    """What one would write without a summary: six expectations over all rows. Freshness and coverage have none."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    from setpoint.quality import expectations

    expected: list[Any] = [
        gxe.ExpectColumnValuesToNotBeNull(column="value"),
        gxe.ExpectColumnValuesToNotBeNull(column="timestamp"),
        gxe.ExpectColumnValuesToBeBetween(column="value", min_value=0, max_value=1000),
        gxe.ExpectColumnValuesToBeInSet(column="metric", value_set=list(METRICS)),
        gxe.ExpectColumnMaxToBeBetween(column="value", min_value=0.001),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["timestamp", "target", "metric"]),
    ]
    suite = ExpectationSuite(name="raw", expectations=expected)
    # The same quiet context the gate uses, so that only the work differs.
    return bool(expectations._validate(frame, suite, "COMPLETE").success)


def _grouped(frame: pd.DataFrame) -> pd.DataFrame:
    values = frame.groupby(["target", "metric"])["value"]
    return pd.DataFrame({"p90": values.quantile(0.9), "p95": values.quantile(0.95), "last": values.last()})


def _milliseconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _peak_megabytes(work: Callable[[], None]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
