"""What can be asked of CloudWatch: units, statistics, dimensions, accounts, and one metric by these.

Limits are those of the CloudWatch API reference (``MetricStat``, ``Dimension``, ``GetMetricData``) and of
"CloudWatch statistics definitions" in its user guide.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from setpoint.model.base import Value
from setpoint.policy.fields import refuse

_SIZES = tuple(f"{scale}{what}" for what in ("bytes", "bits") for scale in ("Kilo", "Mega", "Giga", "Tera"))
STANDARD_UNITS = frozenset(
    {"None", "Count", "Percent", "Seconds", "Milliseconds", "Microseconds", "Bytes", "Bits", *_SIZES}
    | {f"{counted}/Second" for counted in ("Count", "Bytes", "Bits", *_SIZES)}
)
"""``StandardUnit`` of the API. Only these can be asked for; any other unit is a word for people."""

_STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount", "IQM")
_NUMBER = r"\d+(?:\.\d{1,10})?"
_PERCENTILE = re.compile(rf"(?:p|tm|tc|ts|wm)({_NUMBER})")
_BOUNDED = re.compile(rf"(?:TM|TC|TS|WM|PR)\((?:{_NUMBER}%?)?:(?:{_NUMBER}%?)?\)")
_ALIASES = {
    "avg": "Average",
    "mean": "Average",
    "min": "Minimum",
    "max": "Maximum",
    "count": "SampleCount",
    "samples": "SampleCount",
}

_MOST_DIMENSIONS = 30
_LONGEST_VALUE = 1024


def dimension_problem(text: str) -> str | None:
    """Why CloudWatch would refuse a dimension's name or value; ``None`` when it would not."""
    if not text.isascii() or not text.isprintable():
        return "a CloudWatch dimension holds printable ASCII characters only"
    if len(text) > _LONGEST_VALUE:
        return f"a CloudWatch dimension's value has {_LONGEST_VALUE} characters at most"
    return None if text.strip() else "a CloudWatch dimension holds at least one character that is not a space"


def _dimension_name(text: str) -> str:
    if problem := dimension_problem(text):
        raise refuse(problem)
    if text.startswith(":"):
        raise refuse("a CloudWatch dimension's name does not start with a colon")
    return text


def _dimension_value(text: str) -> str:
    if problem := dimension_problem(text):
        raise refuse(problem)
    return text


DimensionName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_dimension_name)]
DimensionValue = Annotated[str, Field(min_length=1, max_length=_LONGEST_VALUE), AfterValidator(_dimension_value)]


def _statistic(text: str) -> str:
    if problem := _statistic_problem(text):
        raise refuse(problem)
    return text


def _account(text: Any) -> Any:
    if isinstance(text, int):
        raise refuse("an account is written in quotes: YAML takes its digits for a number, and drops leading zeros")
    return text


Statistic = Annotated[str, AfterValidator(_statistic)]
Namespace = Annotated[str, Field(pattern=r"^[^:].*$", min_length=1, max_length=255)]
MetricName = Annotated[str, Field(min_length=1, max_length=255)]
Account = Annotated[str, BeforeValidator(_account), Field(pattern=r"^\d{12}$")]
ACCOUNT_MEANING = "the linked account the metric is in, where the connection is a monitoring account's"


class Operand(Value):
    """One metric of an expression: read for every target, or once for all of them."""

    namespace: Namespace = Field(description="the metric's namespace, such as AWS/ApplicationELB")
    name: MetricName = Field(description="the metric's name, such as RequestCount")
    statistic: Statistic = Field(description="as in the metric itself")
    dimension: DimensionName | None = Field(
        default=None, description="the dimension whose value names the target; the metric's own when left out"
    )
    dimensions: dict[DimensionName, DimensionValue] = Field(
        default_factory=dict, description="further dimensions, the same for every target"
    )
    per_target: bool = Field(
        default=True, description="false reads it once, by dimensions alone: the same numbers for every target"
    )
    unit: str | None = Field(default=None, description="only data published in this unit of CloudWatch's")
    account: Account | None = Field(default=None, description=ACCOUNT_MEANING)

    @field_validator("unit")
    @classmethod
    def _unit_known(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in STANDARD_UNITS:
            close = difflib.get_close_matches(unit, STANDARD_UNITS, n=1)
            raise refuse(f"CloudWatch has no such unit{f'; did you mean {close[0]}?' if close else ''}")
        return unit

    @field_validator("dimensions")
    @classmethod
    def _dimensions_fit(cls, dimensions: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        return fitting_dimensions(dimensions, info.data.get("dimension"))

    @field_validator("per_target")
    @classmethod
    def _says_which(cls, per_target: bool, info: ValidationInfo) -> bool:
        if not per_target and info.data.get("dimension") is not None:
            raise refuse("dimension names the target's dimension; leave it out, or per_target")
        return per_target


def fitting_dimensions(dimensions: dict[str, str], own: str | None) -> dict[str, str]:
    """Further dimensions that go together with the one that names the target."""
    if own in dimensions:
        raise refuse(f"{own} is already the dimension that names the target; leave it out of dimensions")
    if len(dimensions) >= _MOST_DIMENSIONS:
        raise refuse(f"CloudWatch takes {_MOST_DIMENSIONS} dimensions, one of which names the target")
    return dimensions


def _statistic_problem(statistic: str) -> str | None:
    if statistic in _STATISTICS or _BOUNDED.fullmatch(statistic):
        return None
    if match := _PERCENTILE.fullmatch(statistic):
        return None if float(match[1]) <= 100 else "a percentile is between p0 and p100"
    by_fold = {one.casefold(): one for one in _STATISTICS} | _ALIASES
    close = difflib.get_close_matches(statistic.casefold(), by_fold, n=1)
    hint = f"; did you mean {by_fold[close[0]]}?" if close else ""
    return f"CloudWatch has {', '.join(_STATISTICS)}, percentiles such as p95, tm90 and TM(10%:90%){hint}"
