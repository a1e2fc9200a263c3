"""What the trusted numbers say, target by target."""

from __future__ import annotations

from pydantic import Field

from setpoint.model.base import Name, Value


class Signal(Value):
    """One target's aggregate of one metric over the policy's window."""

    target: Name
    metric: Name
    aggregate: Name
    """How ``value`` was made: ``mean``, ``min``, ``max``, ``sum``, ``last`` or a percentile such as ``p90``."""
    value: float | None
    """``None`` when there was nothing to aggregate: a missing value never becomes a number."""
    points: tuple[float | None, ...] = ()
    """One value per period, oldest first, ``None`` where the period has no point; what N-of-M rules count. Of a window
    of more than 1,000 periods the newest 1,000."""
    samples: int = Field(ge=0)
    coverage: float = Field(ge=0, le=1)
    """Periods with a point, as a share of the periods in the window."""
    age_seconds: float | None
    """Age of the newest point at the pull; ``None`` when there is no point, negative when it is in the future."""
