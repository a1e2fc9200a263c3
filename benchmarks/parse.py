"""A thousand policies: parsing all their Dags, seeing a change in one file, and what a task of one of them pays.

Parsing is measured on Airflow's own Dag processor, from starting the process to every Dag in the database: ``airflow
dag-processor --num-runs 1``. *First* writes all Dags, *again* finds nothing changed. The baseline, in the same run and
with the same settings, is as many plain Dags with as many tasks (EmptyOperator), so that the ratio says what Setpoint
adds. Then a whole Airflow runs on the same folder, and the description of one policy is edited until the API shows it.

Run it with ``python -m benchmarks.parse``.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.idle import policy
from setpoint.stack.client import wait_until
from setpoint.stack.environment import airflow_environment, inherited_environment
from setpoint.stack.local import LocalStack
from setpoint.stack.settings import REPOSITORY, StackSettings, prepare_home

TASKS = 14
"""Of a policy's Dag."""

PLAIN = """
from datetime import datetime, timezone

from airflow.sdk import DAG
from airflow.sdk.bases.operator import chain
from airflow.providers.standard.operators.empty import EmptyOperator

for number in range({count}):
    with DAG(f"plain-{{number}}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        chain(*(EmptyOperator(task_id=f"task-{{task}}") for task in range({tasks})))
    globals()[dag.dag_id] = dag
"""

TASK = """
import sys, time
sys.argv = ["airflow", "dag-processor"]  # loads what a task's process finds loaded
import airflow
from airflow.dag_processing.dagbag import DagBag
began = time.perf_counter()
bag = DagBag(dag_folder={dag_file!r}, load_op_links=False)
seconds = time.perf_counter() - began
assert list(bag.dags) == [{dag_id!r}], bag.import_errors
print(seconds)
"""


@dataclass(frozen=True)
class Parsed:
    """Seconds of the whole Dag processor, from its start to every Dag in the database."""

    first: float
    again: float


@dataclass(frozen=True)
class Result:
    """What was measured for one number of policies."""

    policies: int
    setpoint: Parsed
    plain: Parsed
    visible_seconds: tuple[float, ...]
    """From an edit of one file to the API showing it."""
    task_ms: float
    """What a task pays for the Dag file with this many policies."""
    task_alone_ms: float
    """The same with one policy."""


def write_policies(folder: Path, count: int) -> list[str]:
    """As many policies, each with a file and a name of its own."""
    folder.mkdir(parents=True)
    names = [f"fleet-{number:04}" for number in range(count)]
    for name in names:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(policy(name), sort_keys=False))
    return names


def setpoint_settings(home: Path, policies: Path) -> StackSettings:
    """A stack as the project sets it, on these policies. The Dags folder is a copy: the bundle marks its files."""
    dags = home / "dags"
    dags.mkdir(parents=True)
    for file in (REPOSITORY / "dags").glob("*.py"):
        (dags / file.name).write_text(file.read_text())
    return prepare_home(
        home / "airflow",
        dags_folder=dags,
        all_admins=True,
        connections={"aws_default": "aws://"},
        variables={"SETPOINT_POLICIES": str(policies), "SETPOINT_DATA": str(home / "data")},
    )


def plain_settings(home: Path, count: int) -> StackSettings:
    """The same settings on plain Dags."""
    dags = home / "dags"
    dags.mkdir(parents=True)
    (dags / "plain.py").write_text(PLAIN.format(count=count, tasks=TASKS))
    return prepare_home(home / "airflow", dags_folder=dags, all_admins=True)


def parse(settings: StackSettings, expected: int) -> Parsed:
    """Let the Dag processor look at every file once, twice over."""
    stack = LocalStack(settings)
    _require(stack.airflow("db", "migrate", timeout_seconds=180))
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        _require(stack.airflow("dag-processor", "--num-runs", "1", timeout_seconds=600))
        seconds.append(time.perf_counter() - began)
        with sqlite3.connect(settings.home / "airflow.db") as database:
            (found,) = database.execute("select count(distinct dag_id) from serialized_dag").fetchone()
        if found < expected:
            raise RuntimeError(f"{found} Dags are in the database, {expected} were to be parsed")
    return Parsed(*seconds)


def _require(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise RuntimeError(f"airflow ended with status {done.returncode}: {done.stderr[-2000:]}")


def visible(settings: StackSettings, policies: Path, names: list[str], edits: int) -> tuple[float, ...]:
    """Seconds from an edit of one policy file until the API shows the new description, for edits at odd moments."""
    found = []
    with LocalStack(settings) as stack, stack.client() as api:
        wait_until(
            lambda: api.call("GET", "/api/v2/dags", params={"limit": 1})["total_entries"] >= len(names),
            what="the Dags",
            deadline_seconds=300,
        )
        for number in range(edits):
            time.sleep(20 + 7 * number % 11)  # another phase of the Dag processor each time
            name, text = names[len(names) // 2 + number], f"edited {time.time_ns()}"
            (policies / f"{name}.yaml").write_text(yaml.safe_dump({**policy(name), "description": text}))
            began = time.perf_counter()
            wait_until(
                lambda name=name, text=text: api.call("GET", f"/api/v2/dags/setpoint.{name}")["description"] == text,
                what="the edit",
                deadline_seconds=300,
            )
            found.append(time.perf_counter() - began)
            sys.stderr.write(f"edit {number + 1}: visible after {found[-1]:.1f} s\n")
    return tuple(found)


def task_seconds(settings: StackSettings, name: str) -> float:
    """What the Dag file costs a task of one policy, in a process that has loaded the modules."""
    dag_id = f"setpoint.{name}"
    program = TASK.format(dag_file=str(settings.dags_folder / "setpoint_policies.py"), dag_id=dag_id)
    environment: Mapping[str, str] = {
        **inherited_environment(os.environ),
        **airflow_environment(settings),
        "_AIRFLOW_PARSING_CONTEXT_DAG_ID": dag_id,
        "_AIRFLOW_PARSING_CONTEXT_TASK_ID": "decide",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(environment), capture_output=True, text=True, timeout=300, check=True
    )
    return float(done.stdout.splitlines()[-1])


def measure(count: int, edits: int) -> Result:
    """Everything, for one number of policies."""
    with tempfile.TemporaryDirectory(prefix="setpoint-parse-") as folder:
        home = Path(folder)
        names = write_policies(home / "policies", count)
        plain = parse(plain_settings(home / "plain", count), count)
        sys.stderr.write(f"plain: {plain}\n")
        settings = setpoint_settings(home / "setpoint", home / "policies")
        ours = parse(settings, count)
        sys.stderr.write(f"setpoint: {ours}\n")
        task = task_seconds(settings, names[-1])
        alone = write_policies(home / "one", 1)
        task_alone = task_seconds(setpoint_settings(home / "alone", home / "one"), alone[0])
        seen = visible(settings, home / "policies", names, edits) if edits else ()
    return Result(count, ours, plain, seen, 1000 * task, 1000 * task_alone)


def table(one: Result) -> str:
    """The measurement as Markdown."""
    ours, plain = one.setpoint, one.plain
    lines = [
        f"| {one.policies:,} Dags of {TASKS} tasks | Setpoint | plain Dags | ratio |",
        "|---|---|---|---|",
        f"| parsed, first time | {ours.first:.1f} s | {plain.first:.1f} s | {ours.first / plain.first:.2f} |",
        f"| parsed, nothing changed | {ours.again:.1f} s | {plain.again:.1f} s | {ours.again / plain.again:.2f} |",
        f"| Dag file in a task | {one.task_ms:.0f} ms | {one.task_alone_ms:.0f} ms with one policy "
        f"| {one.task_ms / one.task_alone_ms:.2f} |",
    ]
    if one.visible_seconds:
        median, most = statistics.median(one.visible_seconds), max(one.visible_seconds)
        lines += [
            "",
            f"An edited policy is visible after {median:.1f} s (median of {len(one.visible_seconds)}), "
            f"{most:.1f} s at most.",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--edits", type=int, default=5)
    asked = parser.parse_args()
    result: Result = measure(asked.policies, asked.edits)
    sys.stdout.write(table(result) + "\n")
    data: dict[str, Any] = asdict(result)
    sys.stderr.write(json.dumps(data) + "\n")


if __name__ == "__main__":
    main()
