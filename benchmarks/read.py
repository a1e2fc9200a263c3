"""Reading CloudWatch's answers into the long frame: Setpoint's source against boto3's own parsing and a frame of it.

Both make the same GetMetricData calls through a boto3 client, signing included; what comes back is a body made
beforehand, handed over where the network would be, so that neither waits for one. The textbook way takes boto3's
``datetime`` and ``float`` of each point into one small frame a series, and concatenates them. Each measurement is a
process of its own; memory is the most it had beyond what it had before its first fetch.

Run it with ``python -m benchmarks.read``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ((1_000, 1_000), (10_000, 10))
"""Series and points of each: a day and a half of a few, ten minutes of many."""
WAYS = {"setpoint": 7, "boto3": 1}
"""Fetches that are timed: the median counts. One of boto3's takes long enough."""


@dataclass(frozen=True)
class Row:
    """One way of reading one shape."""

    way: str
    series: int
    points: int
    seconds: float
    """The median fetch."""
    extra_mb: float

    @property
    def millions_a_second(self) -> float:
        return self.series * self.points / self.seconds / 1e6


def measure() -> list[Row]:
    """Every way and shape, each in a process of its own."""
    rows = []
    for series, points in SHAPES:
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.read", "--way", way]
            done = subprocess.run(
                [*command, "--series", str(series), "--points", str(points)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT / "include")},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=900,
            )
            rows.append(Row(way, series, points, **json.loads(done.stdout)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, each shape's two ways on one line."""
    lines = [
        "| series | points of each | boto3 and frames | Setpoint | points a second | boto3 / Setpoint "
        "| boto3 extra memory | Setpoint extra memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_way = {(row.way, row.series, row.points): row for row in rows}
    for series, points in dict.fromkeys((row.series, row.points) for row in rows):
        ours, plain = by_way["setpoint", series, points], by_way["boto3", series, points]
        lines.append(
            f"| {series:,} | {points:,} | {plain.seconds * 1000:,.0f} ms | {ours.seconds * 1000:,.0f} ms "
            f"| {ours.millions_a_second:.1f} million | {plain.seconds / ours.seconds:.1f} | {plain.extra_mb:.0f} MB "
            f"| {ours.extra_mb:.0f} MB |"
        )
    return "\n".join(lines)


class Canned:
    """Answers a client's GetMetricData calls where the network would be, with bodies made once."""

    def __init__(self, points: int) -> None:
        self._points = points
        self._bodies: dict[tuple[int, int], bytes] = {}
        self._random = random.Random(0)

    def client(self) -> Any:
        """A boto3 client whose calls are answered here."""
        import boto3

        client = boto3.client(
            "cloudwatch", region_name="eu-west-1", aws_access_key_id="benchmark", aws_secret_access_key="benchmark"
        )
        client.meta.events.register("before-send.cloudwatch.GetMetricData", self._answer)
        return client

    def prepare(self, request: Mapping[str, Any]) -> None:
        """Make the body of an answer before anything is measured."""
        self._known(len(request["MetricDataQueries"]), int(request["StartTime"].timestamp()))

    def _known(self, queries: int, start: int) -> bytes:
        if (queries, start) not in self._bodies:
            self._bodies[queries, start] = self._body(queries, start)
        return self._bodies[queries, start]

    def _answer(self, request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        # Only counted: what the other side does with a request is not what is measured.
        start = re.search(rb'"StartTime": ?(\d+)', request.body)
        assert start is not None, request.body[-200:]
        body = self._known(request.body.count(b'"Id": "q'), int(start[1]))
        headers = {"content-type": "application/x-amz-json-1.0"}
        answer = AWSResponse(request.url, 200, headers, None)
        answer._content = body
        return answer

    def _body(self, queries: int, start: int) -> bytes:
        stamps = [start + 60 * number for number in range(self._points)]
        results = [
            {
                "Id": f"q{number}",
                "Label": "CPUUtilization",
                "Timestamps": stamps,
                "Values": [self._random.uniform(0, 100) for _ in stamps],
                "StatusCode": "Complete",
            }
            for number in range(queries)
        ]
        return json.dumps({"MetricDataResults": results, "Messages": []}).encode()


def _setpoint(client: Any, metric: Any, targets: Sequence[str], now: datetime) -> Any:
    from setpoint.sources.cloudwatch import CloudWatchSource
    from setpoint.sources.cloudwatch_pace import Pace

    unpaced = Pace(clock=iter(range(0, 10**12, 1_000)).__next__)
    return CloudWatchSource(client, pace=unpaced).fetch({"cpu": metric}, targets, now).frame


def _boto3(client: Any, metric: Any, targets: Sequence[str], now: datetime) -> Any:
    import pandas as pd

    from setpoint.sources.cloudwatch_queries import plan_calls

    frames = []
    for call in plan_calls({"cpu": metric}, targets, now):
        request = {**call.request(), "MetricDataQueries": list(call.queries)}
        for result in client.get_metric_data(**request)["MetricDataResults"]:
            asked = call.asked[result["Id"]]
            columns = {
                "timestamp": result["Timestamps"],
                "target": asked.target,
                "metric": "cpu",
                "value": result["Values"],
            }
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _fetches(read: Callable[..., Any], points: int, series: int, repeats: int) -> Iterator[tuple[float, float]]:
    """Seconds and extra megabytes of one fetch after another."""
    import pandas as pd  # noqa: F401 - loaded by either way, and not what is measured

    from setpoint.sources.cloudwatch import CloudWatchMetric
    from setpoint.sources.cloudwatch_queries import plan_calls

    metric = CloudWatchMetric.model_validate(
        {
            "source": "aws.cloudwatch",
            "namespace": "AWS/EC2",
            "name": "CPUUtilization",
            "statistic": "Average",
            "period": "1m",
            "window": f"{points}m",
        }
    )
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC) + timedelta(seconds=30)
    targets = [f"web-{number}" for number in range(series)]
    canned = Canned(points)
    client = canned.client()
    small = read(client, metric, targets[:2], now)  # imports, and botocore's model
    assert len(small) == 2 * points
    for call in {len(call.queries): call for call in plan_calls({"cpu": metric}, targets, now)}.values():
        canned.prepare(call.request())
    before = _megabytes()
    for _ in range(repeats):
        began = time.perf_counter()
        frame = read(client, metric, targets, now)
        seconds = time.perf_counter() - began
        assert len(frame) == series * points, len(frame)
        yield seconds, _megabytes() - before


def _megabytes() -> float:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure everything, or with ``--way`` one thing in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--points", type=int, default=1_000)
    asked = parser.parse_args()
    if asked.way is None:
        print(table(measure()))
        return
    read = _setpoint if asked.way == "setpoint" else _boto3
    found = list(_fetches(read, asked.points, asked.series, WAYS[asked.way]))
    seconds = statistics.median(seconds for seconds, _ in found)
    print(json.dumps({"seconds": seconds, "extra_mb": found[0][1]}))


if __name__ == "__main__":
    main()
