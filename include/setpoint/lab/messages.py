"""What the control API says and hears; shared by the server and its client."""

from typing import Any

from pydantic import Field

from setpoint.lab.calls import CallRecord
from setpoint.lab.config import LabModel
from setpoint.lab.faults import Fault
from setpoint.lab.world.state import FleetState


class Health(LabModel):
    """Whether the laboratory lives."""

    ok: bool
    """The world ticks, its last tick succeeded, and what was to be provisioned is there."""
    pid: int
    ticks: int
    region: str
    account_id: str
    provisioned: bool | None = None
    """None when nothing was to be provisioned by the server itself."""
    problem: str | None = None


class LabState(LabModel):
    """Every fleet at this moment."""

    time: float
    """Epoch seconds."""
    fleets: tuple[FleetState, ...]
    faults: tuple[Fault, ...]
    mutating_calls: int
    """All mutating API calls since the start or the last reset."""
    mutating_calls_by_group: dict[str, int]


class Series(LabModel):
    """Recorded ticks, oldest first."""

    states: tuple[FleetState, ...]


class Calls(LabModel):
    """Recorded mutating calls, oldest first."""

    calls: tuple[CallRecord, ...]


class Faults(LabModel):
    """Faults that are active, or that just ended."""

    faults: tuple[Fault, ...]


class Done(LabModel):
    """It was done."""

    ok: bool = True


class Problem(LabModel):
    """What was wrong with a request, each with what is allowed."""

    error: str
    problems: tuple[dict[str, Any], ...] = Field(default_factory=tuple)
