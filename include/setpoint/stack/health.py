"""Whether the components of a stack are at work, from Airflow's own health endpoint."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

_SECTIONS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def healthy_components(health: Mapping[str, Any], *, since: datetime) -> set[str]:
    """Return which components answered healthy with a heartbeat later than ``since``.

    The endpoint calls a component healthy for half a minute after its last heartbeat, so that in a home that was used
    a moment ago it speaks of processes that are gone; hence ``since``, when this start began. The API server is healthy
    when it answers at all and reaches the metadata database.

    :param health: the answer of ``GET /api/v2/monitor/health``.
    """
    healthy = set()
    if health.get("metadatabase", {}).get("status") == "healthy":
        healthy.add("api-server")
    for component, section in _SECTIONS.items():
        report = health.get(section) or {}
        heartbeat = report.get(f"latest_{section}_heartbeat")
        if report.get("status") == "healthy" and heartbeat and datetime.fromisoformat(heartbeat) >= since:
            healthy.add(component)
    return healthy
