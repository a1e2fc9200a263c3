"""The policy's word on data: what one metric's points must be like, and when it is the source that is broken.

What each check is for, and what it costs, stands in docs/quality.md.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from setpoint.model.base import Value
from setpoint.policy.fields import Duration, Ratio, refuse


class OnDegraded(StrEnum):
    """What may still happen on data that is degraded: usable, but not clean."""

    HOLD = "hold"
    """Nothing changes."""
    HOLD_SCALE_IN = "hold_scale_in"
    """Scaling out may go ahead; scaling in may not."""


class QualityConfig(Value):
    """What one metric's points must be like before anybody acts on them."""

    max_age: Duration | None = Field(
        default=None, description="age of the newest point at most; 3 periods plus the settle offset when left out"
    )
    min_coverage: float = Field(default=0.8, gt=0, le=1, description="share of expected points below which data fails")
    full_coverage: float = Field(default=0.95, gt=0, le=1, description="share below which data is degraded")
    max_gap: Duration | None = Field(
        default=None, description="longest time without a point between two points; max_age when left out"
    )
    max_nulls: float = Field(default=0.0, ge=0, le=1, description="share of points without a value that is still clean")
    between: tuple[FiniteFloat, FiniteFloat] | None = Field(
        default=None, description="lowest and highest value there can be"
    )
    signed: bool = Field(
        default=False,
        description="there are values below zero; without it, or a between, a negative value is taken for an error "
        "code: nothing but those fails, one among others degrades",
    )
    error_codes: bool | tuple[FiniteFloat, ...] = Field(
        default=True,
        description="numbers that mean that nothing was measured. true knows the usual ones (-999, 9999, 65535, 1e20 "
        "and the like) where they lie far from all other points; a list names this metric's own beside them, which are "
        "never believed; false believes all",
    )
    zero_guard: bool | Literal["history"] = Field(
        default=True,
        description="a zero is taken for an outage: nothing but zeros fails, a zero among others degrades. "
        "With history: only where there never was a zero before",
    )
    newest_spike: Ratio | None = Field(
        default=3.0,
        description="the newest point, alone so many times above or below the median of its window, is not believed "
        "before another one confirms it; null turns it off",
        json_schema_extra={"default": "3x"},
    )
    max_spike: Ratio | None = Field(
        default=50.0,
        description="a lone point so many times above the median of its window, or any so many times below, is a fault "
        "of measurement; null turns it off",
        json_schema_extra={"default": "50x"},
    )
    max_fall: Ratio | None = Field(
        default=20.0,
        description="the median falls at most to this part of the last accepted batch's; null turns it off",
        json_schema_extra={"default": "20x"},
    )
    max_rise: Ratio | None = Field(
        default=None,
        description="the median rises at most to so many times the last accepted batch's; for a metric where low means "
        "busy. Off when left out",
    )
    stuck_after: int | None = Field(
        default=6,
        ge=2,
        le=1000,
        description="so many newest points with the very same value, where history moves, are stuck; null turns it off",
    )
    history_for: Duration = Field(
        default=timedelta(days=1), description="how long the last accepted batch is remembered and compared with"
    )
    on_degraded: OnDegraded = Field(
        default=OnDegraded.HOLD,
        description="on usable but unclean data: change nothing, or let capacity be added; "
        "capacity is never taken away on it",
    )

    @property
    def floor(self) -> float | None:
        """A lower value is an error code; ``None`` where ``signed`` or ``between`` say what there can be."""
        return None if self.signed or self.between is not None else 0.0

    @property
    def own_codes(self) -> tuple[float, ...]:
        """The error codes that the metric declares as its own."""
        return () if isinstance(self.error_codes, bool) else self.error_codes

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.between is not None and self.between[0] >= self.between[1]:
            raise refuse(f"between is the lowest and the highest value, in this order; got {list(self.between)}")
        if self.full_coverage < self.min_coverage:
            raise refuse("full_coverage is at least min_coverage: degraded comes before failed")
        ratios = {name: getattr(self, name) for name in ("newest_spike", "max_spike", "max_fall", "max_rise")}
        if small := [name for name, ratio in ratios.items() if ratio is not None and ratio <= 1]:
            raise refuse(f"{' and '.join(small)} must be above 1x: 1x is no change at all; null turns a check off")
        return self


class FleetConfig(Value):
    """When so many targets fail at once that it is the source that is broken, not the targets."""

    max_failing: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of targets that may fail in one deciding metric; with more, nothing changes for any target",
    )
    min_targets: int = Field(
        default=3, ge=2, description="of fewer targets nobody can tell whether they or their source are broken"
    )
