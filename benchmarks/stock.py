"""Airflow with its own settings: what figures are compared with."""

from __future__ import annotations

from typing import Any

STOCK: dict[str, Any] = {
    "parallelism": 32,
    "scheduler_idle_sleep_seconds": 1.0,
    "parse_interval_seconds": 30,
    "preload": False,
    "options": {
        "core.executor": "LocalExecutor",
        "core.min_serialized_dag_update_interval": "30",
        "sdk.coordinators": "{}",
        "sdk.queue_to_coordinator": "{}",
        "scheduler.trigger_timeout_check_interval": "15",
        "scheduler.task_instance_heartbeat_timeout": "300",
        "scheduler.orphaned_tasks_check_interval": "300",
    },
}
"""Arguments of :func:`setpoint.stack.settings.prepare_home`; the values are Airflow 3.3's defaults."""
