"""What the system costs while nothing happens: CPU and memory of every component, against a stock Airflow.

Both stacks run on this machine, one after the other: ten policies on the practice AWS with the settings of
:mod:`setpoint.stack.environment`, and ten plain Dags with Airflow's own settings and neither plugins nor policies.
Run it with ``python -m benchmarks.idle``.

Memory is PSS (proportional set size, ``/proc/<pid>/smaps_rollup``): pages that a forked worker shares with its parent
count once, shared out among those who map them. RSS would count them once for each of them. CPU is what all processes
of a component used, those that came and went included, in percent of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.real import real_airflow
from benchmarks.stock import STOCK
from setpoint.lab.config import FleetConfig
from setpoint.stack.local import LocalStack
from setpoint.stack.postgres import TemporaryPostgres
from setpoint.stack.settings import prepare_home

POLICIES = 10
SETTLE_SECONDS = 45
"""After the stack is up: parsers, first requests and first runs are over by then."""
INTERFERENCE = ("setpoint.reconcile",)
"""Dags that run by the clock: nothing is measured while one of them is at work."""

STOCK_DAGS = """
from datetime import datetime, timezone

from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

for number in range({count}):
    with DAG(f"plain-{{number}}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        EmptyOperator(task_id="first") >> EmptyOperator(task_id="second")
    globals()[dag.dag_id] = dag
"""


@dataclass(frozen=True)
class Usage:
    """One component over the time it was watched."""

    cpu_percent: float
    """Of one core."""
    pss_mb: float
    processes: int


def policy(name: str) -> dict[str, Any]:
    """A policy that waits for events and for nothing else."""
    return {
        "version": 1,
        "name": name,
        "owner": "benchmarks",
        "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [name]},
        "triggers": {"events": [{"kind": "json", "queue": "setpoint-events"}]},
        "metrics": {
            "cpu": {
                "source": "aws.cloudwatch",
                "namespace": "AWS/EC2",
                "name": "CPUUtilization",
                "statistic": "Average",
                "period": "60s",
                "window": "10m",
                "settle": "60s",
            }
        },
        "scale": {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "p90"},
            "out": {"above": 70, "for": "3 of 5", "add": 2},
            "in": {"below": 30, "for": "10 of 10", "remove": 1},
        },
        "limits": {"min": 1, "max": 20},
        "feedback": {"after": "5m", "healthy": {"cpu": {"max": 90}}},
    }


@contextmanager
def setpoint_system(home: Path, database: str, **tuning: Any) -> Iterator[LocalStack]:
    """The practice AWS and an Airflow with ten policies, settings as the project sets them."""
    names = [f"idle-{number}" for number in range(POLICIES)]
    fleets = [FleetConfig(group=name, min_size=1, max_size=20, desired_capacity=2) for name in names]
    policies = {name: policy(name) for name in names}
    with real_airflow(home, database, policies, fleets, publish_seconds=5.0, **tuning) as there:
        yield there.airflow


@contextmanager
def stock_system(home: Path, database: str) -> Iterator[LocalStack]:
    """An Airflow with ten plain Dags and the values Airflow has by default."""
    for folder in ("dags", "plugins"):
        (home / folder).mkdir(parents=True)
    (home / "dags" / "plain.py").write_text(STOCK_DAGS.format(count=POLICIES))
    with ExitStack() as stack:
        url = stack.enter_context(TemporaryPostgres()).url() if database == "postgresql" else None
        settings = prepare_home(
            home / "airflow",
            database_url=url,
            all_admins=True,
            dags_folder=home / "dags",
            plugins_folder=home / "plugins",
            **STOCK,
        )
        airflow = stack.enter_context(LocalStack(settings))
        with airflow.client() as api:
            api.wait_for_dags([f"plain-{number}" for number in range(POLICIES)])
        yield airflow


def watch(stack: LocalStack, seconds: float, is_quiet: Callable[[], bool] = lambda: True) -> dict[str, Usage]:
    """What each component uses over a span of time in which nothing runs."""
    leaders = {name: component.session.leader for name, component in stack.components.items()}
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        before, began = _cpu_seconds(leaders), time.monotonic()
        quiet = is_quiet()
        time.sleep(seconds)
        after, ended = _cpu_seconds(leaders), time.monotonic()
        if quiet and is_quiet():
            break
        sys.stderr.write("something ran meanwhile; watching once more\n")
    else:
        raise RuntimeError("the stack did not come to rest within ten minutes")
    memory = {name: _memory(leader) for name, leader in leaders.items()}
    return {
        name: Usage(
            cpu_percent=100 * (after[name] - before[name]) / (ended - began),
            pss_mb=memory[name][0],
            processes=memory[name][1],
        )
        for name in leaders
    }


def _cpu_seconds(leaders: Mapping[str, int]) -> dict[str, float]:
    """CPU used by each session so far: its living processes, and the ended ones their parents have waited for."""
    found = dict.fromkeys(leaders, 0.0)
    for name, leader in leaders.items():
        for process in _session(leader):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[name] += times.user + times.system + times.children_user + times.children_system
    return found


def _memory(leader: int) -> tuple[float, int]:
    """A session's PSS in megabytes, and how many processes it has."""
    total, count = 0, 0
    for process in _session(leader):
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        count += 1
    return total / 1024, count


def _session(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                found.append(process)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def at_rest(stack: LocalStack) -> Callable[[], bool]:
    """Whether no run that the clock starts is going on, nor was one within the span that is watched."""
    seen: dict[str, int] = {}

    def quiet() -> bool:
        with stack.client() as api:
            runs = [run for dag in INTERFERENCE for run in api.runs(dag)]
        was, seen["runs"] = seen.get("runs", len(runs)), len(runs)
        return was == len(runs) and all(run["state"] in ("success", "failed") for run in runs)

    return quiet


def measure(database: str, seconds: float, **tuning: Any) -> dict[str, dict[str, Usage]]:
    """Both systems on one kind of metadata database."""
    found = {}
    for name in ("setpoint", "stock"):
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="setpoint-idle-")))
            airflow = stack.enter_context(
                setpoint_system(home, database, **tuning) if name == "setpoint" else stock_system(home, database)
            )
            time.sleep(SETTLE_SECONDS)
            found[name] = watch(airflow, seconds, at_rest(airflow) if name == "setpoint" else lambda: True)
            sys.stderr.write(f"{name} on {database}: {summary(found[name])}\n")
    return found


def summary(components: Mapping[str, Usage]) -> dict[str, Any]:
    """The components and their sum, as plain data."""
    rows = {
        name: {"cpu_percent": round(one.cpu_percent, 1), "pss_mb": round(one.pss_mb), "processes": one.processes}
        for name, one in components.items()
    }
    total = {
        "cpu_percent": round(sum(one.cpu_percent for one in components.values()), 1),
        "pss_mb": round(sum(one.pss_mb for one in components.values())),
        "processes": sum(one.processes for one in components.values()),
    }
    return {**rows, "all": total}


def table(found: Mapping[str, Mapping[str, Usage]]) -> str:
    """The measurement as Markdown."""
    ours, stock = summary(found["setpoint"]), summary(found["stock"])
    lines = [
        "| component | CPU | stock | memory (PSS) | stock | processes | stock |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['cpu_percent']} % | {stock[name]['cpu_percent']} % | {one['pss_mb']} MB "
        f"| {stock[name]['pss_mb']} MB | {one['processes']} | {stock[name]['processes']} |"
        for name, one in ours.items()
    ]
    cpu = ours["all"]["cpu_percent"] / stock["all"]["cpu_percent"]
    memory = ours["all"]["pss_mb"] / stock["all"]["pss_mb"]
    lines += ["", f"Ratio to stock: CPU {cpu:.2f}, memory {memory:.2f}."]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    found = measure(asked.database, asked.seconds)
    sys.stdout.write(table(found) + "\n")
    sys.stderr.write(json.dumps({name: summary(one) for name, one in found.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
