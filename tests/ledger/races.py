"""Processes and threads that start at the same moment; not a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

RACER = Path(__file__).with_name("ledger_racer.py")
INCLUDE = Path(__file__).parents[2] / "include"

T = TypeVar("T")


def race(
    action: str, url: str, signal: Path, processes: int = 2, environment: Mapping[str, str] | None = None
) -> list[str]:
    """Start processes, let them all go at once, and return what each answered last."""
    running = [
        subprocess.Popen(
            [sys.executable, RACER, action, url, signal, str(number)],
            env={"PYTHONPATH": str(INCLUDE), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    try:
        for one in running:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        signal.touch()
        answers = []
        for one in running:
            said, complained = one.communicate(timeout=120)
            assert one.returncode in (0, 9), complained
            answers.append(said.strip() if one.returncode == 0 else "died")
        return answers
    finally:
        for one in running:
            if one.poll() is None:
                one.kill()
                one.communicate()


def at_once(threads: int, work: Callable[[int], T]) -> list[T]:
    """Run a function in threads that all start it at the same moment."""
    barrier = Barrier(threads)

    def run(number: int) -> T:
        barrier.wait(timeout=60)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
