"""What became of it all, asked of those who must know: AWS's record of calls, the ledger's tables, Airflow.

The ledger is read by plain SQL, so that a mistake in its own queries cannot hide one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos_matrix import Row
from chaos_system import System
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

OPEN_TASKS = ("running", "deferred", "queued", "scheduled", "restarting", "up_for_retry", "up_for_reschedule")

LEDGER_CHECKS: Mapping[str, str] = {
    "events waiting": """SELECT count(*) FROM setpoint_deliveries WHERE policy = :policy
        AND state IN ('waiting', 'taken', 'counting')""",
    "runs unfinished": """SELECT count(*) FROM setpoint_runs WHERE policy = :policy
        AND (finished_at IS NULL OR coalesce(reason, '') = '')""",
    "changes unfinished": """SELECT count(*) FROM setpoint_changes WHERE policy = :policy
        AND state IN ('planned', 'applying', 'applied')""",
    "changes without outcome": """SELECT count(*) FROM setpoint_changes c WHERE policy = :policy AND state = 'settled'
        AND reverts IS NULL AND NOT EXISTS (SELECT 1 FROM setpoint_outcomes o WHERE o.change_id = c.change_id)""",
    "decisions without reason": """SELECT count(*) FROM setpoint_entries WHERE policy = :policy AND kind = 'decision'
        AND coalesce(json_array_length((value::json) -> 'reasons'), 0) = 0""",
    "leases held": "SELECT count(*) FROM setpoint_leases WHERE target = :policy AND released_at IS NULL",
}
"""Each counts what must not be there when a row is quiet. A row's fleet has its policy's name."""

UNJUDGED_ROLLBACKS = """SELECT count(*) FROM setpoint_changes c WHERE state = 'settled' AND reverts IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM setpoint_outcomes o WHERE o.change_id = c.change_id)"""
"""Roll-backs are judged by setpoint.reconcile, after its grace: looked at once, at the end."""

COUNTS: Mapping[str, str] = {
    "known": "SELECT count(*) FROM setpoint_deliveries WHERE policy = :policy",
    "given up": "SELECT count(*) FROM setpoint_deliveries WHERE policy = :policy AND state = 'failed'",
    "settled": "SELECT count(*) FROM setpoint_changes WHERE policy = :policy AND state = 'settled'",
}
"""What only grows, so that a round is judged by what was added in it."""


@dataclass(frozen=True)
class Seen:
    """How a row stands."""

    changes: int
    """Accepted calls that changed the fleet's desired capacity, in this round."""
    problems: tuple[str, ...]
    """What is not as it is to be in the end; empty when the row is quiet and complete."""


class Witness:
    """Looks at a round from outside; keeps no connection, so that a restarted database is nothing to it."""

    def __init__(self, system: System, rows: list[Row]) -> None:
        """What is there already is not this round's: it is counted from here on."""
        self._system = system
        self._engine = create_engine(system.ledger_url, poolclass=NullPool, connect_args={"connect_timeout": 3})
        self._before = self._grown(rows)

    def _changes(self) -> dict[str, int]:
        """Effective changes of capacity by fleet."""
        counts: dict[str, int] = {}
        for call in self._system.lab.client.calls():
            if call.action == "SetDesiredCapacity" and call.effective and call.group is not None:
                counts[call.group] = counts.get(call.group, 0) + 1
        return counts

    def look(self, rows: list[Row]) -> dict[str, Seen]:
        """How rows stand just now; what cannot be asked just now is a problem too."""
        try:
            told, grown = self._ledger(rows, LEDGER_CHECKS), self._grown(rows)
        except OperationalError as error:
            return {row.name: Seen(0, (f"the ledger is away: {error}",)) for row in rows}
        tasks = self._open_tasks()
        left = {queue: self._system.messages_left(queue) for queue in {row.queue for row in rows}}
        seen = {}
        for row in rows:
            problems = [f"{count} {name}" for name, count in told[row.name].items() if count]
            added = {name: count - self._before[row.name][name] for name, count in grown[row.name].items()}
            problems += _miscounted(row, added)
            if left[row.queue]:
                problems.append(f"{left[row.queue]} messages left on {row.queue}")
            problems += tasks.get("", []) + tasks.get(f"setpoint.{row.name}", [])
            seen[row.name] = Seen(added["changes"], tuple(problems))
        return seen

    def _grown(self, rows: list[Row]) -> dict[str, dict[str, int]]:
        changes, counts = self._changes(), self._ledger(rows, COUNTS)
        return {
            row.name: {
                **counts[row.name],
                "changes": changes.get(row.name, 0),
                "sent": len(self._system.sent.get(row.name, [])),
            }
            for row in rows
        }

    def rollbacks_are_judged(self) -> bool:
        """Whether every roll-back has its outcome."""
        with self._engine.connect() as connection:
            return not connection.execute(text(UNJUDGED_ROLLBACKS)).scalar_one()

    def _ledger(self, rows: list[Row], queries: Mapping[str, str]) -> dict[str, dict[str, int]]:
        with self._engine.connect() as connection:
            return {
                row.name: {
                    name: int(connection.execute(text(query), {"policy": row.name}).scalar_one())
                    for name, query in queries.items()
                }
                for row in rows
            }

    def _open_tasks(self) -> dict[str, list[str]]:
        """Tasks that are not at an end, by Dag; under ``""`` that Airflow could not be asked."""
        return self._system.patiently(self._ask_open_tasks, {"": ["Airflow's API does not answer"]})

    def _ask_open_tasks(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        parameters: dict[str, Any] = {"state": list(OPEN_TASKS), "limit": 100}
        answer = self._system.api.call("GET", "/api/v2/dags/~/dagRuns/~/taskInstances", params=parameters)
        for task in answer["task_instances"]:
            found.setdefault(task["dag_id"], []).append(f"{task['task_id']} is {task['state']}")
        runs = self._system.api.call(
            "GET", "/api/v2/dags/~/dagRuns", params={"state": ["running", "queued"], "limit": 100}
        )
        for run in runs["dag_runs"]:
            found.setdefault(run["dag_id"], []).append(f"{run['dag_run_id']} is {run['state']}")
        return found


def _miscounted(row: Row, added: Mapping[str, int]) -> list[str]:
    sent, expected = added["sent"], added["sent"] * row.changes_a_breach
    problems = []
    if added["changes"] != expected:
        problems.append(f"{added['changes']} changes for {sent} breaches, {expected} expected")
    if added["settled"] != expected:
        problems.append(f"the ledger tells of {added['settled']} settled changes, {expected} expected")
    if added["known"] != sent:
        problems.append(f"the ledger knows {added['known']} of {sent} events")
    if added["given up"]:
        problems.append(f"{added['given up']} events were given up")
    return problems
