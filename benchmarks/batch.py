"""A batch through the gate and into signals, beside the libraries one would use instead: time and memory.

One process for each measurement (see :mod:`benchmarks.batch_ways`), one after the other on the same fleet; what counts
are the ratios. Run it with ``python -m benchmarks.batch``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

SIZES = ((1, 12, 7), (200, 1000, 5), (200, 10_000, 3))
"""Targets, points of each of five series, and runs: 60 rows, a million, ten million."""
WAYS = ("setpoint", "textbook", "pandera", "polars", "duckdb", "touch")
_SLOW = ("textbook", "pandera")
"""Of these one run of ten million rows is enough."""


@dataclass(frozen=True)
class Measured:
    """One way at one size."""

    way: str
    rows: int
    milliseconds: float
    extra_bytes: int
    batch_bytes: int


def measure() -> list[list[Measured]]:
    """Every way at every size."""
    return [[_measured(way, *size) for way in WAYS] for size in SIZES]


def table() -> str:
    """What is measured, as Markdown."""
    lines = [
        "| rows | way | time | Setpoint's time is | extra memory | of the batch |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for of_size in measure():
        ours = of_size[0].milliseconds
        lines += [
            f"| {one.rows:,} | {one.way} | {one.milliseconds:,.0f} ms | {_ratio(ours / one.milliseconds)} "
            f"| {one.extra_bytes / 1e6:,.0f} MB | {_share(one)} |"
            for one in of_size
        ]
    return "\n".join(lines)


def _share(one: Measured) -> str:
    # What a library allocates once is nothing of a batch's size.
    return f"{one.extra_bytes / one.batch_bytes:.1f}x" if one.batch_bytes > 1e6 else ""


def _ratio(ours: float) -> str:
    return f"1/{1 / ours:.1f} of it" if ours < 1 else f"{ours:.2f}x"


def _measured(way: str, targets: int, points: int, runs: int) -> Measured:
    if targets * points >= 2_000_000 and way in _SLOW:
        runs = 1
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.batch_ways", way, str(targets), str(points), str(runs)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1800,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return Measured(way, found["rows"], found["milliseconds"], found["extra_bytes"], found["batch_bytes"])


if __name__ == "__main__":
    print(table())
