"""A storm: 10,000 messages in a minute over 50 policies, on a real Airflow, against the practice AWS.

    .venv/bin/python -m benchmarks.storm [--messages 10000] [--policies 50] [--seconds 60] [--database sqlite]

Events, repetitions, rejects and unwanted messages are mixed (``setpoint.testing.storm``). It prints the ledger's
balance, which must be zero, how many runs it took, what memory the triggerer needed at most, and how long it took until
every message was in the ledger and until everything was evaluated. It ends with status 1 when the balance is not zero.

PostgreSQL holds Airflow's metadata and the ledger. With SQLite the ledger bears it, but Airflow's own components end
each other with "database is locked" when fifty Dags start at once on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text

from benchmarks.real import real_airflow
from setpoint.lab.config import FleetConfig
from setpoint.lab.provision import client
from setpoint.ledger import Ledger
from setpoint.stack.client import wait_until
from setpoint.testing.storm import Storm, make_storm

FLEET = "storm"
QUEUE = "storm-events"
"""A queue of its own, on which no alarm of the practice AWS arrives, so that what was sent is known."""


def policy(name: str) -> dict[str, Any]:
    """A policy that looks and holds."""
    return {
        "version": 1,
        "name": name,
        "owner": "benchmarks",
        "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [FLEET]},
        "triggers": {"events": [{"kind": "json", "queue": QUEUE}]},
        "metrics": {
            "cpu": {
                "source": "aws.cloudwatch",
                "namespace": "AWS/EC2",
                "name": "CPUUtilization",
                "statistic": "Average",
                "period": "1s",
                "window": "20s",
                "settle": "2s",
            }
        },
        "quality": {"cpu": {"max_age": "60s", "min_coverage": 0.3, "full_coverage": 0.3, "between": [0, 100]}},
        "scale": {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "p90"},
            "out": {"above": 99, "for": "10 of 10", "add": 1},
        },
        "limits": {"min": 1, "max": 10},
        "feedback": {"after": "1s", "healthy": {"cpu": {"max": 100}}, "min_samples": 1},
    }


class Peak:
    """The memory of a process and its children at its highest: RSS as the system reports it, looked at often."""

    def __init__(self, leader: int) -> None:
        self._leader = psutil.Process(leader)
        self._ended = threading.Event()
        self.first_mb = self.most_mb = self._now()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _now(self) -> float:
        try:
            processes = [self._leader, *self._leader.children(recursive=True)]
            return sum(one.memory_info().rss for one in processes) / 2**20
        except psutil.NoSuchProcess:  # one ended while it was looked at; the next look is soon
            return 0.0

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self.most_mb = max(self.most_mb, self._now())

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()


def send(sqs: Any, queue_url: str, storm: Storm, seconds: float) -> float:
    """Send a storm evenly over a time, ten messages a call; returns how long it really took."""
    began = time.monotonic()
    batches = [storm.bodies[start : start + 10] for start in range(0, len(storm.bodies), 10)]
    for number, batch in enumerate(batches):
        ahead = began + seconds * number / len(batches) - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(f"the practice SQS took only a part: {answer['Failed']}")
    return time.monotonic() - began


def runs_of(ledger_url: str) -> dict[str, int]:
    """How many runs ended how."""
    engine = create_engine(ledger_url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, count(*) FROM setpoint_runs GROUP BY state")).all()
    engine.dispose()
    return {str(state): int(count) for state, count in rows}


def measure(messages: int, policies: int, seconds: float, deadline_seconds: float, database: str) -> dict[str, Any]:
    """Let a storm loose, and wait until it is over."""
    names = [f"storm-{number:02}" for number in range(policies)]
    storm = make_storm(messages, names)
    with tempfile.TemporaryDirectory(prefix="setpoint-storm-") as home, ExitStack() as stack:
        fleets = (FleetConfig(group=FLEET, min_size=1, max_size=10, desired_capacity=3, boot_seconds=0.5),)
        there = stack.enter_context(
            real_airflow(
                Path(home),
                database,
                {name: policy(name) for name in names},
                fleets,
                prepare=lambda lab, _: client("sqs", lab.url).create_queue(QueueName=QUEUE),
            )
        )
        lab, airflow, ledger_url = there.lab, there.airflow, there.ledger_url
        queue_url = client("sqs", lab.url).get_queue_url(QueueName=QUEUE)["QueueUrl"]
        ledger = stack.enter_context(Ledger.open(ledger_url))
        wait_until(lambda: len(lab.client.series(FLEET)) > 25, what="metrics", deadline_seconds=120)
        peak = Peak(airflow.components["triggerer"].pid)
        since = datetime.now(UTC) - timedelta(seconds=1)
        began = time.monotonic()
        sent_in = send(client("sqs", lab.url), queue_url, storm, seconds)

        def ended(condition: Callable[[], bool], what: str) -> float:
            def asked() -> bool:
                airflow.require_running()
                return condition()

            wait_until(asked, what=what, deadline_seconds=deadline_seconds, poll_seconds=0.5)
            return time.monotonic() - began

        def books() -> Any:
            return ledger.accounting(since, source=queue_url)

        received_in = ended(lambda: books().receipts >= messages, "every message in the ledger")
        drained_in = ended(lambda: books().waiting == 0, "everything evaluated")
        peak.end()
        told = books()
        return {
            "database": database,
            "messages": messages,
            "policies": policies,
            "sent_in_seconds": round(sent_in, 1),
            "all_in_ledger_after_seconds": round(received_in, 1),
            "all_evaluated_after_seconds": round(drained_in, 1),
            "accounting": {key: value for key, value in told.to_json().items() if key != "since"},
            "disagreements": storm.disagreements(told),
            "runs": runs_of(ledger_url),
            "triggerer_mb": {"before": round(peak.first_mb), "most": round(peak.most_mb)},
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--policies", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--deadline", type=float, default=1200)
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    asked = parser.parse_args()
    result = measure(asked.messages, asked.policies, asked.seconds, asked.deadline, asked.database)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if result["disagreements"] else 0)


if __name__ == "__main__":
    main()
