"""How CloudWatch decides the state of an alarm. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (lambda value, limit: value >= limit, "greater than or equal to"),
    "GreaterThanThreshold": (lambda value, limit: value > limit, "greater than"),
    "LessThanThreshold": (lambda value, limit: value < limit, "less than"),
    "LessThanOrEqualToThreshold": (lambda value, limit: value <= limit, "less than or equal to"),
}
MISSING_DATA = ("breaching", "notBreaching", "ignore", "missing")

EXTRA_PERIODS = 2
"""CloudWatch looks at more periods than it evaluates; its examples use five for three."""


@dataclass(frozen=True)
class Rule:
    """The conditions of an alarm."""

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    treat_missing_data: str = "missing"

    def breaches(self, value: float) -> bool:
        """Tell whether a value breaches the threshold."""
        return COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Verdict:
    """The state that follows, and the datapoints it follows from (newest first)."""

    state: State
    evaluated: tuple[float, ...]
    missing: int


def judge(rule: Rule, points: Sequence[float | None], current: State) -> Verdict:
    """Decide the state of an alarm.

    :param points: the evaluation range, newest first; None where a period has no datapoint.
    :param current: the state now, which `ignore` maintains.
    """
    real = [value for value in points if value is not None][: rule.evaluation_periods]
    missing = rule.evaluation_periods - len(real)
    breaching = sum(rule.breaches(value) for value in real)
    return Verdict(_state(rule, len(real), missing, breaching, current), tuple(real), missing)


def _state(rule: Rule, real: int, missing: int, breaching: int, current: State) -> State:
    needed = rule.datapoints_to_alarm
    if rule.treat_missing_data == "breaching":
        return "ALARM" if breaching + missing >= needed else "OK"
    if breaching >= needed:
        return "ALARM"
    if rule.treat_missing_data == "notBreaching":
        return "OK"
    if not real:
        return current if rule.treat_missing_data == "ignore" else "INSUFFICIENT_DATA"
    # Some points are missing, or too few breach. Missing points count for nothing, so every real point
    # breaching is enough for an alarm; `ignore` does not go that far and maintains the state.
    if missing and breaching >= min(needed, real):
        return current if rule.treat_missing_data == "ignore" else "ALARM"
    return "OK"
