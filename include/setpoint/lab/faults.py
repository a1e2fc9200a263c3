"""What can be made to go wrong, and what is going wrong right now."""

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, Self

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
    CUT_OFF = "cut_off"
    """A `share` of the API calls to `services` gets no answer: the connection is closed, nothing is carried out."""
    SLOW = "slow"
    """A `share` of the API calls to `services` is carried out, and answered, `delay_seconds` late."""
    LOST_ANSWER = "lost_answer"
    """A `share` of the API calls to `services` is carried out at once, and answered `delay_seconds` late: to a caller
    with a shorter timeout the call failed although it took effect."""
    WRONG_CAPACITY = "wrong_capacity"
    """A `share` of the calls to DescribeAutoScalingGroups answers a desired capacity that is `wrong_units` too high."""
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
API_FAULTS = frozenset(
    {
        FaultKind.THROTTLING,
        FaultKind.API_DOWN,
        FaultKind.CUT_OFF,
        FaultKind.SLOW,
        FaultKind.LOST_ANSWER,
        FaultKind.WRONG_CAPACITY,
    }
)
"""Those that are about single API calls; only these can be narrowed to `actions` and counted by `times`."""

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
    actions: tuple[Name, ...] = ()
    """Only these API calls are hit, for example `SetDesiredCapacity`; empty for all of the `services`."""
    times: int | None = Field(default=None, ge=1, le=1_000_000)
    """The fault ends when it has hit that many calls; None for no limit."""
    delay_seconds: float = Field(default=3.0, gt=0, le=120)
    """For `slow` and `lost_answer`."""
    wrong_units: int = Field(default=1, ge=-1000, le=1000)
    """For `wrong_capacity`: added to what is answered; negative is too low."""

    @model_validator(mode="before")
    @classmethod
    def _default_share(cls, value: object) -> object:
        if isinstance(value, dict) and "share" not in value and value.get("kind") in ("throttling", "spike"):
            return {**value, "share": 0.5}
        return value

    @model_validator(mode="after")
    def _counts_calls_only(self) -> Self:
        if self.kind not in API_FAULTS and (self.actions or self.times is not None):
            raise ValueError(
                f"actions and times are for faults of single API calls ({', '.join(sorted(API_FAULTS))}), "
                f"{self.kind} is none; use duration_seconds"
            )
        return self

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
        self._hits: dict[str, int] = {}

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

    def count_hit(self, fault: Fault) -> None:
        """Count that a fault has hit a call; one that has done so often enough ends."""
        self._hits[fault.fault_id] = hits = self._hits.get(fault.fault_id, 0) + 1
        if fault.request.times is not None and hits >= fault.request.times:
            self._faults.pop(fault.fault_id, None)

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
