"""What can be made to go wrong, and what is going wrong right now."""

from collections.abc import Callable
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from setpoint.lab.config import LabModel, Name


class FaultKind(StrEnum):
    """The faults of the practice AWS."""

    METRIC_OUTAGE = "metric_outage"
    """Nothing is published."""
    ZEROS = "zeros"
    """Zeros are published instead of values."""
    STALE = "stale"
    """The last points are published again and again with their old timestamps."""
    OUT_OF_RANGE = "out_of_range"
    """Values come in another unit: everything is multiplied by `factor` (0.01: 0..1 for 0..100)."""
    SPIKE = "spike"
    """Some points are multiplied by `factor`, each with probability `share`."""
    PARTIAL_DATA = "partial_data"
    """GetMetricData answers StatusCode PartialData with half of the points and no NextToken."""
    INTERNAL_ERROR = "internal_error"
    """GetMetricData answers StatusCode InternalError without points."""
    FORBIDDEN = "forbidden"
    """GetMetricData answers StatusCode Forbidden without points."""
    THROTTLING = "throttling"
    """A `share` of the API calls to `services` answers Throttling."""
    API_DOWN = "api_down"
    """A `share` of the API calls to `services` answers HTTP 500."""
    LAUNCH_FAILURE = "launch_failure"
    """Launches fail for lack of capacity; they are tried again until the fault ends."""
    BAD_CHANGE = "bad_change"
    """Each instance above the capacity at the start of the fault adds `latency_ms` to everybody's latency."""


METRIC_FAULTS = frozenset(
    {
        FaultKind.METRIC_OUTAGE,
        FaultKind.ZEROS,
        FaultKind.STALE,
        FaultKind.OUT_OF_RANGE,
        FaultKind.SPIKE,
    }
)
STATUS_FAULTS = {
    FaultKind.PARTIAL_DATA: "PartialData",
    FaultKind.INTERNAL_ERROR: "InternalError",
    FaultKind.FORBIDDEN: "Forbidden",
}
API_FAULTS = frozenset({FaultKind.THROTTLING, FaultKind.API_DOWN})

Service = Literal["autoscaling", "monitoring", "ec2", "sns", "sqs"]


class FaultRequest(LabModel):
    """A fault as it is asked for: what, where, how long, how bad."""

    kind: FaultKind
    fleet: Name | None = None
    """One fleet, or None for all of them."""
    duration_seconds: float | None = Field(default=None, gt=0, le=86_400)
    """How long; None until it is taken away."""
    factor: float | None = Field(default=None, gt=0, le=1_000_000)
    share: float = Field(default=1.0, gt=0, le=1)
    """Of the calls or points that are hit; without it half of them for `throttling` and `spike`."""
    latency_ms: float = Field(default=150.0, gt=0, le=60_000)
    services: tuple[Service, ...] = ("autoscaling", "monitoring")

    @model_validator(mode="before")
    @classmethod
    def _default_share(cls, value: object) -> object:
        if isinstance(value, dict) and "share" not in value and value.get("kind") in ("throttling", "spike"):
            return {**value, "share": 0.5}
        return value

    @property
    def multiplier(self) -> float:
        """The factor asked for, or the one that suits the kind: 0.01 (percent as ratio), 3 for a spike."""
        if self.factor is not None:
            return self.factor
        return 3.0 if self.kind is FaultKind.SPIKE else 0.01


class Fault(LabModel):
    """A fault that is active."""

    fault_id: str
    request: FaultRequest
    started_at: float
    """Epoch seconds."""
    ends_at: float | None
    """Epoch seconds, None until it is taken away."""
    baseline_units: dict[str, int] = Field(default_factory=dict)
    """Desired capacity of each fleet at the start: what `bad_change` counts added instances from."""

    @property
    def kind(self) -> FaultKind:
        """What is going wrong."""
        return self.request.kind

    def active(self, now: float) -> bool:
        """Tell whether the fault holds at that time."""
        return self.ends_at is None or now < self.ends_at

    def concerns(self, fleet: str | None) -> bool:
        """Tell whether the fault is about that fleet; a fault without a fleet is about all."""
        return self.request.fleet is None or self.request.fleet == fleet


class FaultBoard:
    """The faults that are active, by id. Not locked: the world's lock guards it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._faults: dict[str, Fault] = {}
        self._counter = 0

    def add(self, request: FaultRequest, baseline_units: dict[str, int]) -> Fault:
        """Start a fault."""
        self._counter += 1
        now = self._now()
        fault = Fault(
            fault_id=f"fault-{self._counter}",
            request=request,
            started_at=now,
            ends_at=None if request.duration_seconds is None else now + request.duration_seconds,
            baseline_units=baseline_units,
        )
        self._faults[fault.fault_id] = fault
        return fault

    def active(self) -> tuple[Fault, ...]:
        """Return what is going wrong now, oldest first; faults whose time is over are forgotten."""
        now = self._now()
        self._faults = {key: fault for key, fault in self._faults.items() if fault.active(now)}
        return tuple(self._faults.values())

    def find(self, kind: FaultKind, fleet: str | None) -> Fault | None:
        """Return the newest active fault of that kind that concerns the fleet, or None."""
        matching = [fault for fault in self.active() if fault.kind is kind and fault.concerns(fleet)]
        return matching[-1] if matching else None

    def remove(self, kind: FaultKind | None = None, fleet: str | None = None) -> tuple[Fault, ...]:
        """End faults: all, those of one kind, those asked for one fleet, or both conditions together."""
        gone = tuple(
            fault
            for fault in self.active()
            if (kind is None or fault.kind is kind) and (fleet is None or fault.request.fleet == fleet)
        )
        for fault in gone:
            del self._faults[fault.fault_id]
        return gone
