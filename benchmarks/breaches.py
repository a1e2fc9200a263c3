"""Ten breaches at the same instant in ten policies: seconds from the send to each API call, on a real Airflow.

    .venv/bin/python -m benchmarks.breaches [--rounds 3] [--database sqlite|postgresql]

Ten messages are put on the queue with one ``SendMessageBatch``, one for each of ten policies with a fleet of its own.
The clock starts before that call and stops for each breach when the practice AWS received its ``SetDesiredCapacity``;
both are read on this machine's clock. A round begins when all runs of the one before have ended; the first one fills
every cache and is not counted. It ends with status 1 when the last call of a counted round came after the bar.

PostgreSQL holds Airflow's metadata and the ledger, each in a database of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import latency
from benchmarks.real import Real, real_airflow
from setpoint.lab.config import FleetConfig
from setpoint.lab.provision import client
from setpoint.stack.client import StackClient, wait_until

BREACHES = 10
"""As many as one SendMessageBatch takes."""
BAR_SECONDS = 8.0
"""The last of ten calls comes within this."""
NAMES = tuple(f"breach-{number}" for number in range(BREACHES))


@dataclass(frozen=True)
class Round:
    """One volley: seconds from the send to each breach's API call, shortest first."""

    seconds: tuple[float, ...]

    @property
    def last(self) -> float:
        """Of the breach that waited longest."""
        return self.seconds[-1]


def policy(name: str) -> dict[str, Any]:
    """A policy that adds one instance to its own fleet whenever it looks."""
    targets = {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [name]}
    return {**latency.policy(), "name": name, "targets": targets}


@contextmanager
def system(home: Path, database: str) -> Iterator[Real]:
    """The lab with ten fleets, and an Airflow with ten policies."""
    fleets = [FleetConfig(group=name, min_size=1, max_size=900, desired_capacity=3, boot_seconds=0.5) for name in NAMES]
    with real_airflow(home, database, {name: policy(name) for name in NAMES}, fleets) as there:
        wait_until(
            lambda: all(len(there.lab.client.series(name)) > 25 for name in NAMES),
            what="metrics",
            deadline_seconds=180,
        )
        yield there


def calls_since(lab: Any, sent: float) -> dict[str, float]:
    """Seconds from a moment to the first capacity call of each fleet that had one since."""
    found: dict[str, float] = {}
    for one in lab.client.calls():
        if one.action == "SetDesiredCapacity" and one.group in NAMES and one.time >= sent:
            found.setdefault(one.group, one.time - sent)
    return found


def volley(lab: Any, api: StackClient, queue_url: str, number: int) -> Round:
    """Send ten breaches at once, wait for their calls and for the runs' ends."""
    entries = [
        {"Id": name, "MessageBody": json.dumps({"policy": name, "id": f"{name}-round-{number}"})} for name in NAMES
    ]
    sqs, sent = client("sqs", lab.url), time.time()
    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
    if answer.get("Failed"):
        raise RuntimeError(f"the practice SQS took only a part: {answer['Failed']}")
    # Looked at seldom: the machine is theirs.
    wait_until(
        lambda: len(calls_since(lab, sent)) == BREACHES, what="ten API calls", deadline_seconds=240, poll_seconds=0.5
    )
    told = Round(tuple(sorted(calls_since(lab, sent).values())))
    wait_until(lambda: _at_rest(api, number + 1), what="the runs' ends", deadline_seconds=240, poll_seconds=1)
    return told


def _at_rest(api: StackClient, runs: int) -> bool:
    """Every policy had so many runs or more, and all of them have ended."""
    found = [api.runs(f"setpoint.{name}") for name in NAMES]
    return all(len(one) >= runs and all(run["state"] in ("success", "failed") for run in one) for one in found)


def measure(database: str, rounds: int) -> tuple[Round, ...]:
    """So many volleys, after one that does not count."""
    with tempfile.TemporaryDirectory(prefix="setpoint-breaches-") as home, system(Path(home), database) as there:
        told = []
        for number in range(rounds + 1):
            told.append(volley(there.lab, there.api, there.queue_url, number))
            counted = "does not count" if number == 0 else f"round {number}"
            sys.stderr.write(f"{database}, {counted}: {', '.join(f'{one:.2f}' for one in told[-1].seconds)} s\n")
    return tuple(told[1:])


def summary(database: str, rounds: Sequence[Round]) -> dict[str, Any]:
    """The measurement as plain data."""
    return {
        "database": database,
        "breaches": BREACHES,
        "rounds": [[round(one, 2) for one in each.seconds] for each in rounds],
        "first_call_median_seconds": round(statistics.median(each.seconds[0] for each in rounds), 2),
        "call_median_seconds": round(statistics.median(one for each in rounds for one in each.seconds), 2),
        "last_call_median_seconds": round(statistics.median(each.last for each in rounds), 2),
        "last_call_most_seconds": round(max(each.last for each in rounds), 2),
        "bar_seconds": BAR_SECONDS,
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """The measurement as Markdown, one line a database."""
    lines = [
        "| database | breaches at once | rounds | first call | median call | last call, median | last call, most |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['database']} | {one['breaches']} | {len(one['rounds'])} | {one['first_call_median_seconds']} s "
        f"| {one['call_median_seconds']} s | {one['last_call_median_seconds']} s | {one['last_call_most_seconds']} s |"
        for one in results
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error("--rounds is at least 1")
    result = summary(asked.database, measure(asked.database, asked.rounds))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if result["last_call_most_seconds"] > BAR_SECONDS else 0)


if __name__ == "__main__":
    main()
