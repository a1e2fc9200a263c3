"""The executor in whose heartbeat the scheduler rests, and the processes it keeps ready."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState

from setpoint.stack.client import wait_until
from setpoint_airflow.executors.prompt import KEPT_SECONDS, PromptExecutor
from setpoint_airflow.executors.spare import SpareProcess, SpareProcessCoordinator
from setpoint_airflow.nudge import FOLDER_VARIABLE, nudge

# Airflow lets the garbage collector close the child's end of the request channel in the parent.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PromptExecutor]:
    """An executor with one worker that would rest for an hour."""
    monkeypatch.setenv(FOLDER_VARIABLE, f"/tmp/{tmp_path.name}-{os.getpid()}")  # short, as it must be
    monkeypatch.setenv("SETPOINT_REST_SECONDS", "3600")
    one = PromptExecutor(parallelism=1)
    one.start()
    yield one
    one.end()


def test_a_nudge_ends_the_rest(executor: PromptExecutor) -> None:
    """The heartbeat of an executor without work returns when somebody nudges, long before its rest is over."""
    resting = threading.Thread(target=executor.heartbeat, daemon=True)
    resting.start()

    def over() -> bool:
        nudge()
        resting.join(0.05)
        return not resting.is_alive()

    wait_until(over, what="the end of the rest", deadline_seconds=30)


def test_nudges_during_a_loop_are_not_lost(executor: PromptExecutor) -> None:
    """A task that ends while the scheduler is looking round is seen in the next loop, without a rest in between."""
    nudge()
    nudge()

    executor.heartbeat()  # returns at once: the test's time limit is shorter than the rest

    assert executor.running == set()


def test_only_runs_with_news_are_looked_at(executor: PromptExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nudges that name runs lead to a look at those; one that names none, or the end of the rest, to a whole look."""
    looks: list[object] = []
    monkeypatch.setattr(executor._looks, "at", lambda runs: looks.append(sorted(runs)))
    monkeypatch.setattr(executor._looks, "at_all", lambda: looks.append("all"))
    nudge(("web", "1"))
    nudge(("api", "1"))
    nudge(("web", "1"))
    executor.heartbeat()
    nudge(("web", "1"))
    nudge()
    executor.heartbeat()
    executor._rest = 0.01
    executor.heartbeat()
    assert looks == [[("api", "1"), ("web", "1")], "all", "all"]


def test_reports_wait_while_a_nudge_is_answered(executor: PromptExecutor) -> None:
    """The scheduler gets the workers' reports in the look that follows one without a nudge."""
    key = TaskInstanceKey("web", "decide", "run", 1, -1)
    executor._rest = 0.01
    executor.event_buffer[key] = (TaskInstanceState.SUCCESS, None)
    nudge()
    executor.heartbeat()
    assert executor.get_event_buffer() == {}
    executor.heartbeat()
    assert executor.get_event_buffer() == {key: (TaskInstanceState.SUCCESS, None)}


def test_reports_do_not_wait_for_ever(executor: PromptExecutor) -> None:
    """A storm of nudges holds the reports up for a second at most."""
    key = TaskInstanceKey("web", "decide", "run", 1, -1)
    executor.event_buffer[key] = (TaskInstanceState.SUCCESS, None)
    nudge()
    executor.heartbeat()
    assert executor.get_event_buffer() == {}
    assert executor._kept_since is not None
    executor._kept_since -= KEPT_SECONDS
    nudge()
    executor.heartbeat()
    assert list(executor.get_event_buffer()) == [key]


def test_a_spare_process_waits_and_ends_with_its_worker() -> None:
    """It is there until it is dismissed or its worker is gone; nobody has to end it."""
    spare = SpareProcess.fork()
    assert spare.waits

    spare.dismiss()

    wait_until(lambda: not spare.waits, what="the spare process's end", deadline_seconds=30)


def test_a_coordinator_forks_anew_when_its_spare_process_died() -> None:
    """A spare process that was killed (memory) is not given a task."""
    coordinator = SpareProcessCoordinator()
    spare = SpareProcess.fork()
    coordinator._spare, coordinator._worker = spare, os.getpid()
    os.kill(spare.pid, 9)
    wait_until(lambda: not spare.waits, what="the spare process's end", deadline_seconds=30)

    assert coordinator._taken() is None


def test_a_spare_process_of_another_process_is_not_taken() -> None:
    """A coordinator that was forked along with its worker does not use the worker's spare process."""
    coordinator = SpareProcessCoordinator()
    spare = SpareProcess.fork()
    coordinator._spare, coordinator._worker = spare, os.getpid() + 1
    try:
        assert coordinator._taken() is None
    finally:
        spare.dismiss()
        wait_until(lambda: not spare.waits, what="the spare process's end", deadline_seconds=30)
