"""Reading Airflow's health endpoint."""

from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.stack.health import healthy_components

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BEFORE, AFTER = "2026-11-23T11:59:50+00:00", "2026-11-23T12:00:05+00:00"


def report(section: str, status: str | None, heartbeat: str | None) -> dict[str, Any]:
    return {section: {"status": status, f"latest_{section}_heartbeat": heartbeat}}


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        pytest.param({}, set(), id="nothing known"),
        pytest.param({"metadatabase": {"status": "unhealthy"}}, set(), id="no database"),
        pytest.param({"metadatabase": {"status": "healthy"}}, {"api-server"}, id="API alone"),
        pytest.param(report("scheduler", "healthy", AFTER), {"scheduler"}, id="this start's scheduler"),
        pytest.param(report("scheduler", "healthy", BEFORE), set(), id="the last start's scheduler"),
        pytest.param(report("scheduler", "unhealthy", AFTER), set(), id="a silent scheduler"),
        pytest.param(report("dag_processor", None, None), set(), id="a Dag processor that never ran"),
        pytest.param(report("dag_processor", "healthy", AFTER), {"dag-processor"}, id="a Dag processor"),
        pytest.param(report("triggerer", "healthy", AFTER), {"triggerer"}, id="a triggerer"),
    ],
)
def test_only_what_this_start_brought_up_is_healthy(health: dict[str, Any], expected: set[str]) -> None:
    """A component counts when it says so itself, with a heartbeat later than the start."""
    assert healthy_components(health, since=BEGAN) == expected
