"""The contract of a scaling strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from setpoint.model import Proposal, Signal, TargetState
from setpoint.model.base import Value
from setpoint.policy.fields import Aggregate


class StrategyConfig(Value):
    """What every strategy's section of a policy says. A strategy's ``Config`` adds its own keys."""

    strategy: str

    def signals_wanted(self) -> tuple[tuple[str, Aggregate], ...]:
        """The (metric, aggregate) pairs the strategy reads; each must be a metric of the policy."""
        raise NotImplementedError(f"{type(self).__name__} must say which signals it reads")


class Strategy(Protocol):
    """Proposes a capacity for one target. Pure and deterministic; its docstring gives the formula and its source."""

    Config: ClassVar[type[StrategyConfig]]

    @staticmethod
    def propose(signals: Mapping[str, Signal], state: TargetState, config: Any) -> Proposal:
        """What this strategy would do, with at least one reason, also when that is nothing.

        :param signals: the target's signals by metric.
        :param state: how the target stands.
        :param config: the policy's section, an instance of ``Config``.
        """
        ...
