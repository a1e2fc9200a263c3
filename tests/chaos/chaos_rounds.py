"""One round: a process stands at every point, one thing is killed, and the system is watched until it is well again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
from chaos_matrix import DEFERRED, Row, Victim
from chaos_system import System, until
from chaos_witness import Seen, Witness

from setpoint.lab.faults import FaultRequest
from setpoint.stack.client import StackTimeoutError

ARRIVE_SECONDS = 120.0
RECOVER_SECONDS = 180.0
GATE_SECONDS = 20.0
STAND_SECONDS = 240.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """One point and one victim, and what came of it."""

    row: str
    victim: str
    breaches: int
    changes: int
    expected: int
    recovered_seconds: float | None
    """From the kill (or the end of arming a fault) until everything about the first breach was at an end; ``None``:
    never."""
    next_seconds: float | None
    """How long the next breach took from its event until it was at an end."""
    problems: tuple[str, ...]

    @property
    def green(self) -> bool:
        """Whether all is as promised."""
        return not self.problems and self.changes == self.expected


def kill_round(system: System, rows: Sequence[Row], victim: Victim, say: Say) -> list[Cell]:
    """Send a breach to each row's policy, wait until a process stands at each point, kill, let go, and watch."""
    rows = list(rows)
    witness = Witness(system, rows)
    for row in rows:
        system.failpoint(row).arm(at_most_seconds=STAND_SECONDS)
    for row in rows:
        system.send_breach(row)
    try:
        missing = _wait_for_arrivals(system, rows)
        there = [row for row in rows if row.name not in missing]
        if victim not in ("task process", "supervisor"):
            _hand_over(system, there)
        say(f"  {len(there)} of {len(rows)} points are reached; killing the {victim}")
        _kill(system, there, victim)
    finally:
        for row in rows:
            system.failpoint(row).let_go()
    if victim == "database":
        system.restart_database()
    return _watch(system, witness, rows, victim, say, missing)


def fault_round(system: System, rows: Sequence[Row], say: Say) -> list[Cell]:
    """Let AWS misbehave for each row's fleet in its own way, send a breach, and watch."""
    rows = list(rows)
    witness = Witness(system, rows)
    gated = [row for row in rows if row.connection == "aws_gate"]
    stopped = [row for row in rows if row.point is not None]
    for row in rows:
        if row.fault:
            system.lab.client.add_fault(FaultRequest.model_validate({**row.fault, "fleet": row.name}))
    if gated:
        system.gate.close()
    for row in stopped:
        system.failpoint(row).arm(at_most_seconds=STAND_SECONDS)
    for row in rows:
        system.send_breach(row)
    closed_at = time.monotonic()
    missing = _wait_for_arrivals(system, stopped)
    for row in stopped:
        system.lab.client.add_fault(
            FaultRequest.model_validate({"kind": "wrong_capacity", "wrong_units": 2, "times": 1, "fleet": row.name})
        )
        system.failpoint(row).let_go()
    if gated:
        time.sleep(max(0.0, closed_at + GATE_SECONDS - time.monotonic()))
        system.gate.open()
    return _watch(system, witness, rows, "AWS", say, missing)


def _wait_for_arrivals(system: System, rows: Sequence[Row]) -> frozenset[str]:
    """Wait until a process stands at every point, and say at which none does."""

    def missing() -> frozenset[str]:
        return frozenset(row.name for row in rows if system.failpoint(row).arrival() is None)

    with contextlib.suppress(StackTimeoutError):
        until(lambda: not missing(), "a process at every point", ARRIVE_SECONDS)
    return missing()


def _hand_over(system: System, rows: Sequence[Row]) -> None:
    """Let the tasks that wait go on into the triggerer, and wait until they are there."""
    waiting = [row for row in rows if row.point in DEFERRED]
    for row in waiting:
        system.failpoint(row).let_go()
    for row in waiting:
        assert row.point is not None
        task = f"feedback.{DEFERRED[row.point]}"

        def deferred(row: Row = row, task: str = task) -> bool:
            answer = system.api.call(
                "GET", f"/api/v2/dags/setpoint.{row.name}/dagRuns/~/taskInstances", params={"state": ["deferred"]}
            )
            return any(one["task_id"] == task for one in answer["task_instances"])

        with contextlib.suppress(StackTimeoutError):  # it was quicker than we looked: then it is killed elsewhere
            until(deferred, f"{task} of {row.name} to be deferred", 15)


def _kill(system: System, rows: Sequence[Row], victim: Victim) -> None:
    if victim == "database":
        system.postgres.kill()
    elif victim == "task process":
        _end({_pid(system, row) for row in rows})
    elif victim == "supervisor":
        _end({psutil.Process(_pid(system, row)).ppid() for row in rows})
    else:
        system.stack.components[victim].signal(signal.SIGKILL)


def _pid(system: System, row: Row) -> int:
    arrival = system.failpoint(row).arrival()
    assert arrival is not None
    return arrival.pid


def _end(pids: set[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _watch(
    system: System,
    witness: Witness,
    rows: list[Row],
    victim: str,
    say: Say,
    missing: frozenset[str],
) -> list[Cell]:
    recovered = _until_quiet(witness, rows, RECOVER_SECONDS)
    say(f"  recovered: {_told(recovered)}; now the next breach")
    system.lab.client.remove_faults()
    for row in rows:
        system.send_breach(row)
    again = _until_quiet(witness, rows, RECOVER_SECONDS)
    seen = witness.look(rows)
    cells = []
    for row in rows:
        unproven = (f"nobody came to {row.point}, so nothing was killed there",) if row.name in missing else ()
        cells.append(
            Cell(
                row=row.title,
                victim=victim,
                breaches=2,
                changes=seen[row.name].changes,
                expected=2 * row.changes_a_breach,
                recovered_seconds=recovered[row.name],
                next_seconds=again[row.name],
                problems=(*unproven, *seen[row.name].problems),
            )
        )
    return cells


def _until_quiet(witness: Witness, rows: list[Row], seconds: float) -> dict[str, float | None]:
    """The seconds until each row was quiet and complete; ``None`` for one that was not in time."""
    began = time.monotonic()
    found: dict[str, float | None] = {row.name: None for row in rows}
    while (elapsed := time.monotonic() - began) < seconds:
        waiting = [row for row in rows if found[row.name] is None]
        if not waiting:
            break
        seen: dict[str, Seen] = witness.look(waiting)
        for row in waiting:
            if not seen[row.name].problems:
                found[row.name] = round(elapsed, 1)
        time.sleep(1.0)
    return found


def _told(seconds: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'never' if one is None else f'{one:.0f} s'}" for name, one in seconds.items())
