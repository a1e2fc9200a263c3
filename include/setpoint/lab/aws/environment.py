"""What the extended backends need to know of the world around them."""

import threading
from dataclasses import dataclass, field

from setpoint.lab.clock import Clock, SystemClock
from setpoint.lab.config import LabConfig
from setpoint.lab.faults import STATUS_FAULTS, FaultBoard, FaultKind


@dataclass
class Environment:
    """Clock, configuration, faults and the one lock that guards all state of the laboratory."""

    config: LabConfig
    clock: Clock = field(default_factory=SystemClock)
    lock: threading.RLock = field(default_factory=threading.RLock)
    faults: FaultBoard = field(init=False)

    def __post_init__(self) -> None:
        self.faults = FaultBoard(self.clock.now)

    def boot_seconds(self, group: str) -> float:
        """Return how long an instance of that group takes from launch to service."""
        fleet = self.config.fleet(group)
        return self.config.default_boot_seconds if fleet is None else fleet.boot_seconds

    def launch_fails(self, group: str) -> bool:
        """Tell whether EC2 has no capacity for that group right now."""
        return self.faults.find(FaultKind.LAUNCH_FAILURE, group) is not None

    def metric_status(self, group: str | None) -> str | None:
        """Return the StatusCode GetMetricData is asked to answer for that group, None for the honest one."""
        for kind, status in STATUS_FAULTS.items():
            if self.faults.find(kind, group) is not None:
                return status
        return None
