"""Nudge the scheduler when a task has ended: its next task need not wait."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl

from setpoint_airflow.nudge import nudge


class TaskEnds:
    """What Airflow calls in the task's process, after its state is known to the API server."""

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """A task has succeeded."""
        nudge((task_instance.dag_id, task_instance.run_id))

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """A task has skipped itself."""
        nudge((task_instance.dag_id, task_instance.run_id))

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """A task has failed."""
        nudge((task_instance.dag_id, task_instance.run_id))
