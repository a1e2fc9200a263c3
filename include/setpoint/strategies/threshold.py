"""Threshold with N of M points, separately out and in."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from setpoint.model.base import Value
from setpoint.policy.fields import Aggregate, NOfM, Step, refuse
from setpoint.strategies.contract import StrategyConfig


class SignalChoice(Value):
    """The signal a strategy looks at."""

    metric: str = Field(min_length=1, description="one of the policy's metrics")
    aggregate: Aggregate = "mean"


class Above(Value):
    """When to scale out, and by how much."""

    above: FiniteFloat = Field(description="scale out when the metric is above this")
    for_: NOfM = Field(alias="for", description="how many of the newest points must be above")
    add: Step


class Below(Value):
    """When to scale in, and by how much."""

    below: FiniteFloat = Field(description="scale in when the metric is below this")
    for_: NOfM = Field(alias="for", description="how many of the newest points must be below")
    remove: Step


class ThresholdConfig(StrategyConfig):
    """``strategy: threshold``."""

    strategy: Literal["threshold"]
    signal: SignalChoice
    out: Above | None = None
    in_: Below | None = Field(default=None, alias="in")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.out is None and self.in_ is None:
            raise refuse("a threshold strategy needs out, in, or both")
        if self.out and self.in_ and self.in_.below >= self.out.above:
            raise refuse(
                f"in.below ({self.in_.below:g}) must be lower than out.above ({self.out.above:g}), "
                "or the fleet would scale in and out for the same value"
            )
        return self

    def signals_wanted(self) -> tuple[tuple[str, Aggregate], ...]:
        return ((self.signal.metric, self.signal.aggregate),)


class ThresholdStrategy:
    """Placeholder."""

    Config: ClassVar[type[ThresholdConfig]] = ThresholdConfig
    propose = None
