"""Field types of the policy file: durations, N of M, steps, ratios. Each parses what reads aloud and writes it back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from setpoint.model.base import Value

_UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_OF = re.compile(r"(\d+) of (\d+)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_RATIO = re.compile(r"(\d+(?:\.\d+)?)x")


def refuse(message: str) -> PydanticCustomError:
    """An error in the policy's own words; the loader adds file, line, path and value."""
    return PydanticCustomError("policy", "{text}", {"text": message})


def parse_duration(text: Any) -> timedelta:
    """Read ``90s``, ``5m``, ``1h30m`` or ``2d``: whole numbers, each with its unit, largest unit first.

    :raises PydanticCustomError: not a duration; a bare number is refused because nobody can tell its unit.
    """
    if isinstance(text, timedelta):
        return text
    if isinstance(text, str) and text and (match := _DURATION.fullmatch(text)):
        amounts = zip(match.groups(), _UNIT_SECONDS.values(), strict=True)
        return timedelta(seconds=sum(int(amount) * unit for amount, unit in amounts if amount))
    raise refuse("a duration is whole numbers with their units, such as 90s, 5m, 1h30m or 2d")


def format_duration(span: timedelta) -> str:
    """Write a duration the way a policy file has it: ``1h30m``; zero is ``0s``."""
    rest, words = int(span.total_seconds()), ""
    for unit, seconds in _UNIT_SECONDS.items():
        amount, rest = divmod(rest, seconds)
        words += f"{amount}{unit}" if amount else ""
    return words or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$",
            "description": "whole numbers with their units: 90s, 5m, 1h30m, 2d",
        }
    ),
]
"""A span of time with its unit: ``90s``, ``5m``, ``1h30m``."""


class OfPoints(Value):
    """``N of M``: at least ``n`` of the newest ``m`` points."""

    n: int = Field(ge=1)
    m: int = Field(ge=1, le=1000)

    def __str__(self) -> str:
        return f"{self.n} of {self.m}"


def parse_of(text: Any) -> Any:
    """Read ``3 of 5``.

    :raises PydanticCustomError: not of that form, or more points asked for than looked at.
    """
    if isinstance(text, str) and (match := _OF.fullmatch(text)):
        n, m = int(match[1]), int(match[2])
        if not 1 <= n <= m:
            raise refuse(f"of {m} points at least 1 and at most {m} can be asked for")
        return OfPoints(n=n, m=m)
    if isinstance(text, OfPoints):
        return text
    raise refuse("write how many of the newest points must agree, such as 3 of 5")


NOfM = Annotated[
    OfPoints,
    BeforeValidator(parse_of),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ of \d+$", "description": "N of the newest M points: 3 of 5"}),
]


class StepSize(Value):
    """A change in units, or in percent of the current capacity (rounded up to at least one unit)."""

    units: int | None = Field(default=None, ge=1)
    percent: float | None = Field(default=None, gt=0)

    def of(self, current_units: int) -> int:
        """The step in units from a capacity; never less than one."""
        if self.units is not None:
            return self.units
        assert self.percent is not None
        # Rounded half up like a person would; at least one unit, or a small fleet could never move.
        return max(1, int(current_units * self.percent / 100 + 0.5))

    def __str__(self) -> str:
        return str(self.units) if self.units is not None else f"{self.percent:g}%"


def parse_step(value: Any) -> Any:
    """Read ``2`` (units) or ``50%`` (of the current capacity).

    :raises PydanticCustomError: neither, or not more than zero.
    """
    if isinstance(value, StepSize):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return StepSize(units=value)
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)) and float(match[1]) > 0:
        return StepSize(percent=float(match[1]))
    raise refuse("a step is a whole number of units from 1, or a percentage above 0 such as 50%")


Step = Annotated[
    StepSize,
    BeforeValidator(parse_step),
    PlainSerializer(lambda step: step.units if step.units is not None else str(step)),
    WithJsonSchema(
        {
            "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}],
            "description": "units (2) or percent of the current capacity (50%)",
        }
    ),
]


def parse_ratio(value: Any) -> float:
    """Read ``1.1x``: at most that many times the value before.

    :raises PydanticCustomError: not of that form, or zero.
    """
    if isinstance(value, str) and (match := _RATIO.fullmatch(value)) and float(match[1]) > 0:
        return float(match[1])
    raise refuse("a ratio to the value before is a number above 0 followed by x, such as 1.1x")


Ratio = Annotated[
    float,
    BeforeValidator(parse_ratio),
    PlainSerializer(lambda ratio: f"{ratio:g}x", return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)?x$", "description": "times the value before, such as 1.1x"}
    ),
]

_WHOLE = 100


class Distance(Value):
    """How far two values may lie apart: in their own unit, or in percent of the larger one's size."""

    units: float | None = Field(default=None, ge=0)
    percent: float | None = Field(default=None, ge=0)

    def allows(self, one: float, other: float) -> bool:
        """Whether two values lie no further apart: ``|a - b| <= units``, or ``<= percent/100 * max(|a|, |b|)``."""
        if self.units is not None:
            return abs(one - other) <= self.units
        assert self.percent is not None
        return abs(one - other) <= self.percent / _WHOLE * max(abs(one), abs(other))

    def __str__(self) -> str:
        return f"{self.units:g}" if self.units is not None else f"{self.percent:g}%"


def parse_distance(value: Any) -> Any:
    """Read ``10%`` (of the larger one) or ``5`` (in the values' own unit).

    :raises PydanticCustomError: neither, or negative.
    """
    if isinstance(value, Distance):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return Distance(units=value)
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)):
        return Distance(percent=float(match[1]))
    raise refuse("write how far apart: a percentage of the larger value such as 10%, or a number in their own unit")


Tolerance = Annotated[
    Distance,
    BeforeValidator(parse_distance),
    PlainSerializer(lambda distance: distance.units if distance.units is not None else str(distance)),
    WithJsonSchema(
        {
            "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}],
            "description": "in the values' own unit (5), or percent of the larger one (10%)",
        }
    ),
]


def parse_part(value: Any) -> Any:
    """Read ``2`` (units at most) or ``50%`` (of a step, up to 100%).

    :raises PydanticCustomError: neither.
    """
    step = parse_step(value)
    if step.percent is not None and step.percent > _WHOLE:
        raise refuse("a part of a step is at most 100%")
    return step


StepPart = Annotated[
    StepSize,
    BeforeValidator(parse_part),
    PlainSerializer(lambda step: step.units if step.units is not None else str(step)),
    WithJsonSchema(
        {
            "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}],
            "description": "units (2) or percent of the step (50%)",
        }
    ),
]
"""A part of a step that clean data would take: ``50%`` of it, or ``2`` units at most."""

AGGREGATE_PATTERN = r"^(mean|min|max|sum|last|p(?:\d{1,2}(?:\.\d{1,2})?|100))$"
Aggregate = Annotated[
    str, Field(pattern=AGGREGATE_PATTERN, description="mean, min, max, sum, last, or a percentile such as p90")
]
"""How points become one value: ``mean``, ``min``, ``max``, ``sum``, ``last`` or a percentile ``p0`` to ``p100``."""
