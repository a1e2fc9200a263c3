"""Event on the queue to API call accepted: the whole pipeline, on a real Airflow, against the practice AWS.

    .venv/bin/python -m benchmarks.latency [--events 20] [--database sqlite|postgresql] [--baseline 3]

Each event is sent when the run before has ended, so that each is a first event. The clock starts before
``SendMessage`` and stops when the practice AWS received ``SetDesiredCapacity``; both are read on this machine's clock.
The baseline, in the same run, is the same Dag on stock Airflow settings, woken by the provider's own SQS trigger
(``SqsSensorTrigger`` with its defaults). PostgreSQL holds Airflow's metadata and the ledger, each in a database of its
own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.real import Real, real_airflow
from benchmarks.stock import STOCK
from setpoint.lab.config import FleetConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client
from setpoint.stack.client import wait_until

FLEET = "latency"
HOPS = ("take_events", "pull_metrics", "validate", "aggregate", "decide", "scale_out")

STOCK_INTAKE = '''
from datetime import datetime, timezone

from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from airflow.sdk import Asset, AssetWatcher

import setpoint_airflow.form
import setpoint_airflow.operators.intake
import setpoint_airflow.watch
from setpoint.events.manual import schedule_event


def stock_assets(policy):
    trigger = SqsSensorTrigger(sqs_queue={queue!r}, aws_conn_id="aws_default", region_name="eu-west-1")
    watchers = [AssetWatcher(name="stock", trigger=trigger)]
    return [Asset(name=f"setpoint-{{policy.name}}", group="setpoint", watchers=watchers)]


setpoint_airflow.watch.policy_assets = setpoint_airflow.form.policy_assets = stock_assets


class StockTakeEvents(setpoint_airflow.operators.intake.TakeEventsOperator):
    """Takes the messages out of the asset event's payload, as people do who use the provider's trigger."""

    def execute(self, context):
        now = datetime.now(timezone.utc)
        with self.runtime(context) as run:
            for asset_events in context["triggering_asset_events"].values():
                for one in asset_events:
                    for message in one.extra["payload"]["message_batch"]:
                        event = schedule_event(self.policy, run_id=message["MessageId"], at=now, received_at=now)
                        run.ledger.accept_events([(event, (self.policy,))])
        return super().execute(context)


'''
"""What turns the Dag file into the baseline: the provider's own trigger with its defaults."""


def policy() -> dict[str, Any]:
    """A policy that adds one instance whenever it looks."""
    return {
        "version": 1,
        "name": FLEET,
        "owner": "benchmarks",
        "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [FLEET]},
        # Each event here is a first one, however soon it comes after the one before.
        "triggers": {"events": [{"kind": "json", "queue": "setpoint-events"}], "debounce": "0s"},
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
        "quality": {"cpu": {"max_age": "20s", "min_coverage": 0.5, "full_coverage": 0.6, "between": [0, 100]}},
        "scale": {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "p90"},
            "out": {"above": 1, "for": "5 of 10", "add": 1},
        },
        "limits": {"min": 1, "max": 500, "cooldown": {"out": "0s", "in": "0s"}},
        "feedback": {"after": "1s", "healthy": {"cpu": {"max": 100}}, "min_samples": 1},
    }


@contextmanager
def system(home: Path, database: str, *, stock: bool) -> Iterator[Real]:
    """The lab and an Airflow with one policy: Setpoint's settings, or stock ones."""
    fleets = (FleetConfig(group=FLEET, min_size=1, max_size=900, desired_capacity=3, boot_seconds=0.5),)

    def use_stock_trigger(_: LabProcess, queue_url: str) -> None:
        file = home / "dags" / "setpoint_policies.py"
        head, future, rest = file.read_text().partition("from __future__ import annotations\n")
        rest = rest.replace("event = TakeEventsOperator(", "event = StockTakeEvents(")
        file.write_text(head + future + STOCK_INTAKE.format(queue=queue_url) + rest)

    if stock:
        running = real_airflow(home, database, {FLEET: policy()}, fleets, prepare=use_stock_trigger, **STOCK)
    else:
        running = real_airflow(home, database, {FLEET: policy()}, fleets)
    with running as there:
        yield there


def capacity_calls(lab: Any) -> list[Any]:
    """The calls that changed the fleet's capacity."""
    return [one for one in lab.client.calls() if one.action == "SetDesiredCapacity" and one.group == FLEET]


def measure(lab: Any, api: Any, queue_url: str, events: int) -> list[dict[str, float]]:
    """Send events one at a time; seconds from each to its API call, and when each hop ended."""
    sqs, dag = client("sqs", lab.url), f"setpoint.{FLEET}"
    rows: list[dict[str, float]] = []
    wait_until(lambda: len(lab.client.series(FLEET)) > 25, what="metrics", deadline_seconds=120)
    for number in range(events + 1):
        known = {run["dag_run_id"] for run in api.runs(dag)}
        before = len(capacity_calls(lab))
        sent = time.time()
        sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"policy": FLEET, "id": f"event-{number}"}))
        arrived = wait_until(
            lambda before=before: capacity_calls(lab)[before:],
            what="the API call",
            deadline_seconds=240,
            poll_seconds=0.5,
        )[0]
        run = next(one for one in api.runs(dag) if one["dag_run_id"] not in known)
        api.wait_for_run(dag, run["dag_run_id"])
        if number == 0:
            continue  # the first event fills every cache; cold starts would be a benchmark of their own
        rows.append({"total": arrived.time - sent, **hops(api, dag, run["dag_run_id"], sent)})
        sys.stderr.write(f"event {number}: {rows[-1]['total']:.2f} s\n")
    return rows


def hops(api: Any, dag: str, run_id: str, sent: float) -> dict[str, float]:
    """Seconds after the event at which the run started and each task ended."""
    found = {"run started": _epoch(api.run(dag, run_id)["start_date"]) - sent}
    for task in api.task_instances(dag, run_id):
        if task["task_id"] in HOPS and task["end_date"]:
            found[task["task_id"]] = _epoch(task["end_date"]) - sent
    return found


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Median and p95 of the total, and the median of each hop."""
    totals = [row["total"] for row in rows]
    names = [name for name in ("run started", *HOPS) if any(name in row for row in rows)]
    return {
        "events": len(rows),
        "median_seconds": round(statistics.median(totals), 2),
        "p95_seconds": round(percentile(totals, 0.95), 2),
        "max_seconds": round(max(totals), 2),
        "hops_median_seconds": {
            name: round(statistics.median([row[name] for row in rows if name in row]), 2) for name in names
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--baseline", type=int, default=3, help="events of the baseline; each takes about a minute")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    result: dict[str, Any] = {"database": asked.database}
    for name, events in (("setpoint", asked.events), ("baseline", asked.baseline)):
        if not events:
            continue
        sys.stderr.write(f"{name}: {events} events on {asked.database}\n")
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="setpoint-bench-")))
            there = stack.enter_context(system(home, asked.database, stock=name == "baseline"))
            result[name] = summary(measure(there.lab, there.api, there.queue_url, events))
    if "baseline" in result and "setpoint" in result:
        result["ratio"] = round(result["setpoint"]["median_seconds"] / result["baseline"]["median_seconds"], 3)
    result["peak_memory_of_largest_process_mb"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
