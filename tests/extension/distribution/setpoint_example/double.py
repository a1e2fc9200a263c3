"""A strategy that doubles the fleet while a metric is above a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from setpoint.model import Proposal, Reason, Signal, TargetState
from setpoint.policy.fields import Aggregate
from setpoint.strategies.contract import StrategyConfig


class DoubleConfig(StrategyConfig):
    """``strategy: example_double``."""

    strategy: Literal["example_double"]
    metric: str
    above: float

    def signals_wanted(self) -> tuple[tuple[str, Aggregate], ...]:
        return ((self.metric, "mean"),)


class DoubleStrategy:
    """Twice the desired capacity when the mean is above the limit, the desired capacity otherwise."""

    Config: ClassVar[type[DoubleConfig]] = DoubleConfig

    @staticmethod
    def propose(signals: Mapping[str, Signal], state: TargetState, config: DoubleConfig) -> Proposal:
        value = signals[config.metric].value
        above = value is not None and value > config.above
        reason = Reason(code="doubled" if above else "not_doubled", text=f"{config.metric} is {value}")
        return Proposal(
            target=state.target, to_units=state.desired_units * 2 if above else state.desired_units, reasons=(reason,)
        )
