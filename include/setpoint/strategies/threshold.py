"""Threshold with N of M points, separately out and in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from setpoint.model import Proposal, Reason, Signal, TargetState
from setpoint.model.base import Value
from setpoint.policy.fields import Aggregate, NOfM, Step, refuse
from setpoint.strategies.contract import StrategyConfig
from setpoint.strategies.tally import Tally, count_beyond


class SignalChoice(Value):
    """The signal a strategy looks at."""

    metric: str = Field(min_length=1, description="one of the policy's metrics")
    aggregate: Aggregate = Field(
        default="mean", description="the aggregate that reasons report (mean, max, p90, ...); the rules count points"
    )


class Above(Value):
    """When to scale out, and by how much."""

    above: FiniteFloat = Field(description="scale out when the metric is above this")
    for_: NOfM = Field(alias="for", description="how many of the newest points must be above")
    add: Step = Field(description="how much to add: units (2) or percent of the current capacity (50%)")


class Below(Value):
    """When to scale in, and by how much."""

    below: FiniteFloat = Field(description="scale in when the metric is below this")
    for_: NOfM = Field(alias="for", description="how many of the newest points must be below")
    remove: Step = Field(description="how much to take away: units (2) or percent of the current capacity (50%)")


class ThresholdConfig(StrategyConfig):
    """``strategy: threshold``."""

    strategy: Literal["threshold"]
    signal: SignalChoice = Field(description="the metric the rules look at")
    out: Above | None = Field(default=None, description="when to add capacity; left out, it never is")
    in_: Below | None = Field(default=None, alias="in", description="when to take capacity away; left out, it never is")

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


def tally(points: Sequence[float | None], rule: Above | Below) -> Tally:
    """How a rule stands over the newest of some points, oldest first, ``None`` where there is none."""
    if isinstance(rule, Above):
        return count_beyond(points, rule.for_, "above", rule.above)
    return count_beyond(points, rule.for_, "below", rule.below)


def breaches(points: Sequence[float | None], rule: Above | Below) -> bool:
    """Whether N of the newest M points are beyond the rule's threshold. A missing point never is."""
    return tally(points, rule).met


class ThresholdStrategy:
    """Add capacity when N of the newest M points are above a threshold, take some away when they are below another.

    With ``p`` the signal's points, one a period, and ``p[-M:]`` the newest M of them::

        out  when  count(x > above for x in p[-M:]) >= N          to = desired + add
        in   when  count(x < below for x in p[-M:]) >= N          to = max(0, desired - remove)

    The source is CloudWatch's alarm evaluation, "datapoints to alarm" out of "evaluation periods"
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html), with one difference: a
    missing point is never filled in. It counts for neither rule, and it counts against scaling in: capacity is only
    taken away when the out rule would not be met even if every missing point among its newest M were above. Out wins.

    A point is one value a period, as the source's own statistic made it, so the rules need no aggregate: the signal's
    aggregate over the whole window is reported with every reason and decides nothing here.
    """

    Config: ClassVar[type[ThresholdConfig]] = ThresholdConfig

    @staticmethod
    def propose(signals: Mapping[str, Signal], state: TargetState, config: ThresholdConfig) -> Proposal:
        """See the class. ``to_units`` is the desired capacity when neither rule is met."""
        desired = state.desired_units
        signal = signals.get(config.signal.metric)
        if signal is None:
            return _hold(
                state, Reason.of("no_signal", f"{config.signal.metric}: there is no signal for {state.target}")
            )
        out = tally(signal.points, config.out) if config.out else None
        in_ = tally(signal.points, config.in_) if config.in_ else None
        if config.out and out and out.met:
            return Proposal(
                target=state.target,
                to_units=desired + config.out.add.of(desired),
                reasons=(_reason("above_threshold", signal, out),),
            )
        blind = out is not None and out.possible
        if config.in_ and in_ and in_.met and not blind:
            return Proposal(
                target=state.target,
                to_units=max(0, desired - config.in_.remove.of(desired)),
                reasons=(_reason("below_threshold", signal, in_),),
            )
        tallies = tuple(one for one in (out, in_) if one is not None)
        unknown = any(one.present < one.of.n for one in tallies) or (blind and in_ is not None and in_.met)
        return _hold(state, _reason("not_enough_points" if unknown else "within_thresholds", signal, *tallies))


def _hold(state: TargetState, reason: Reason) -> Proposal:
    return Proposal(target=state.target, to_units=state.desired_units, reasons=(reason,))


def _reason(code: str, signal: Signal, *tallies: Tally) -> Reason:
    value = "nothing" if signal.value is None else f"{signal.value:.4g}"
    words = "; ".join(str(one) for one in tallies)
    return Reason.of(code, f"{signal.metric}: {words}. {signal.aggregate} over the window: {value}")
