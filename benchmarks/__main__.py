"""Run the benchmarks and write their figures into docs/performance.md.

    .venv/bin/python -m benchmarks [latency] [batch] [read] [fleet] [parse] [idle] [breaches]

``latency`` takes about ten minutes a database, most of it the baseline, which is slow; ``batch`` takes ten,
``read`` one, ``fleet`` two, ``breaches`` four, ``parse`` and ``idle`` six each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import batch, breaches, fleet, idle, parse, read

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- {name}: written by make bench -->", "<!-- {name}: end -->"


def latency_table(events: int, baseline: int) -> str:
    """Measure both databases, each in a process of its own."""
    results = [_latency(database, events, baseline) for database in ("sqlite", "postgresql")]
    lines = [
        "| database | events | median | p95 | most | baseline median | ratio to baseline |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        ours, stock = one["setpoint"], one.get("baseline")
        lines.append(
            f"| {one['database']} | {ours['events']} | {ours['median_seconds']} s | {ours['p95_seconds']} s "
            f"| {ours['max_seconds']} s | {stock['median_seconds']} s | {one['ratio']} |"
            if stock
            else f"| {one['database']} | {ours['events']} | {ours['median_seconds']} s | {ours['p95_seconds']} s "
            f"| {ours['max_seconds']} s | not measured | |"
        )
    lines += ["", "Where the time goes: seconds after the event at which each hop had ended, median.", ""]
    hops = list(results[0]["setpoint"]["hops_median_seconds"])
    lines += [f"| database | {' | '.join(hops)} |", "|---" * (len(hops) + 1) + "|"]
    for one in results:
        seconds = one["setpoint"]["hops_median_seconds"]
        lines.append(f"| {one['database']} | {' | '.join(str(seconds.get(hop, '')) for hop in hops)} |")
    return "\n".join(lines)


def _latency(database: str, events: int, baseline: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.latency", "--database", database]
    done = subprocess.run(
        [*command, "--events", str(events), "--baseline", str(baseline)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=3600,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def batch_table() -> str:
    """Setpoint's gate and aggregation beside the libraries one would use instead."""
    return batch.table()


def read_table() -> str:
    """CloudWatch's answers into the long frame, against boto3's own parsing."""
    return read.table(read.measure())


def fleet_table() -> str:
    """Ten thousand targets, one in a hundred of them changing, and all of them."""
    return fleet.table([fleet.measure(10_000, changing) for changing in (100, 10_000)])


def parse_table() -> str:
    """A thousand policies in the Dag processor."""
    return parse.table(parse.measure(1000, edits=5))


def idle_table() -> str:
    """What waiting costs, on both databases."""
    tables = [
        f"On {database}:\n\n{idle.table(idle.measure(database, seconds=60))}" for database in ("sqlite", "postgresql")
    ]
    return "\n\n".join(tables)


def breaches_table() -> str:
    """Ten breaches at the same instant, on both databases."""
    databases = ("sqlite", "postgresql")
    return breaches.table([breaches.summary(database, breaches.measure(database, rounds=5)) for database in databases])


def write(name: str, table: str) -> None:
    """Put a table between its marks in the page, with the machine and the day."""
    text = PAGE.read_text()
    begin, end = BEGIN.format(name=name), END.format(name=name)
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}."
    PAGE.write_text(f"{head}{begin}\n\n{table}\n\n{machine}\n\n{end}{tail}")


def main() -> None:
    """Run what is asked for; everything when nothing is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables: dict[str, Callable[[], str]] = {
        "batch": batch_table,
        "read": read_table,
        "fleet": fleet_table,
        "parse": parse_table,
        "idle": idle_table,
        "breaches": breaches_table,
        "latency": lambda: latency_table(asked.events, asked.baseline),
    }
    parser.add_argument("what", nargs="*", help=f"{', '.join(tables)}; all of them when left out")
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--baseline", type=int, default=3)
    asked = parser.parse_args()
    if unknown := set(asked.what) - tables.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(tables)}")
    for name, table in tables.items():
        if not asked.what or name in asked.what:
            write(name, table())


if __name__ == "__main__":
    main()
