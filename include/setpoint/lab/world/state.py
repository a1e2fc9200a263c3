"""How a fleet is at one moment, as the control API shows it."""

from setpoint.lab.config import LabModel, Name
from setpoint.lab.faults import FaultKind


class FleetCapacity(LabModel):
    """The instances and bounds of a group as AWS would describe them."""

    in_service: int = 0
    pending: int = 0
    terminating: int = 0
    desired: int = 0
    min_size: int = 0
    max_size: int = 0
    exists: bool = False


class FleetState(LabModel):
    """One fleet at one tick, as the control API shows it."""

    fleet: Name
    time: float
    """Epoch seconds."""
    rps: float
    capacity: FleetCapacity
    cpu_percent: float | None
    latency_p95_ms: float | None
    error_percent: float
    faults: tuple[FaultKind, ...] = ()
