"""What a change did to health."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from setpoint.model.base import Name, UtcDatetime, Value
from setpoint.model.decision import Reason
from setpoint.model.target import TargetHealth


class HealthVerdict(StrEnum):
    """Health after a change, against health before it and the policy's limits."""

    IMPROVED = "improved"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    INCONCLUSIVE = "inconclusive"
    """There is not enough evidence to say; this is recorded too, and never read as health."""


class Followed(StrEnum):
    """What followed from the verdict."""

    KEEP = "keep"
    ROLL_BACK = "roll_back"


class HealthReading(Value):
    """One health metric before and after."""

    metric: Name
    before: float | None
    after: float | None
    samples_before: int = Field(ge=0)
    samples_after: int = Field(ge=0)
    limit: str
    """The policy's limit in words, with numbers."""
    verdict: HealthVerdict
    text: str


class Outcome(Value):
    """The verdict on one change, its evidence, and what followed."""

    change_id: Name
    policy: Name
    run_id: Name
    target: Name
    verdict: HealthVerdict
    followed: Followed
    reasons: tuple[Reason, ...] = Field(min_length=1)
    readings: tuple[HealthReading, ...] = ()
    provider: TargetHealth | None = None
    recorded_at: UtcDatetime
