"""``source: aws.cloudwatch`` in a policy: which metric, and only in forms CloudWatch answers.

Limits are those of the CloudWatch API reference (``MetricStat``, ``Dimension``, ``GetMetricData``) and of
"CloudWatch statistics definitions" in its user guide.
"""

from __future__ import annotations

import difflib
import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from setpoint.policy.fields import format_duration, refuse
from setpoint.sources.contract import AwsMetricConfig

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

_SHORT_PERIODS = (1, 5, 10, 20, 30)
# The further back a window starts, the coarser the points CloudWatch still keeps: (reaching back, multiple of seconds).
_KEPT = (
    (timedelta(hours=3), 1),
    (timedelta(days=15), 60),
    (timedelta(days=63), 300),
    (timedelta(days=455), 3600),
)
_MOST_DIMENSIONS = 30


def dimension_problem(text: str) -> str | None:
    """Why CloudWatch would refuse a dimension's name or value; ``None`` when it would not."""
    if not text.isascii() or not text.isprintable():
        return "a CloudWatch dimension holds printable ASCII characters only"
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
DimensionValue = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_dimension_value)]


class CloudWatchMetric(AwsMetricConfig):
    """``source: aws.cloudwatch``: one CloudWatch metric, read for every target."""

    source: Literal["aws.cloudwatch"]
    namespace: str = Field(
        pattern=r"^[^:].*$", min_length=1, max_length=255, description="the metric's namespace, such as AWS/EC2"
    )
    name: str = Field(min_length=1, max_length=255, description="the metric's name, such as CPUUtilization")
    statistic: str = Field(
        description="Average, Sum, Minimum, Maximum, SampleCount, a percentile such as p95, "
        "or another extended statistic such as tm90, IQM or PR(:300)"
    )
    dimension: DimensionName = Field(
        default="AutoScalingGroupName", description="the dimension whose value is the target's name"
    )
    dimensions: dict[DimensionName, DimensionValue] = Field(
        default_factory=dict, description="further dimensions, the same for every target"
    )

    @property
    def query_unit(self) -> str | None:
        """The unit CloudWatch is asked for: data published in another unit is then not answered at all.

        ``None`` when ``unit`` is not one of CloudWatch's own (spelled exactly so): then it is a word for people.
        """
        return self.unit if self.unit in STANDARD_UNITS else None

    @field_validator("period")
    @classmethod
    def _period_known(cls, period: timedelta) -> timedelta:
        seconds = period.total_seconds()
        if seconds in _SHORT_PERIODS or (seconds >= 60 and seconds % 60 == 0):
            return period
        raise refuse(
            "CloudWatch knows periods of 1s, 5s, 10s, 20s, 30s (metrics published in high resolution) "
            "and whole minutes; give one of these"
        )

    @field_validator("window")
    @classmethod
    def _window_whole(cls, window: timedelta, info: ValidationInfo) -> timedelta:
        period = info.data.get("period")
        if period is None:  # the period has a mistake of its own, and it is reported
            return window
        if window < period or window % period:
            raise refuse(
                f"window is a whole number of periods of {format_duration(period)}, at least one: "
                f"{_whole_windows(window, period)}"
            )
        return window

    @field_validator("statistic")
    @classmethod
    def _statistic_known(cls, statistic: str) -> str:
        if problem := _statistic_problem(statistic):
            raise refuse(problem)
        return statistic

    @field_validator("dimensions")
    @classmethod
    def _dimensions_fit(cls, dimensions: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        own = info.data.get("dimension")
        if own in dimensions:
            raise refuse(f"{own} is already the dimension that names the target; leave it out of dimensions")
        if len(dimensions) >= _MOST_DIMENSIONS:
            raise refuse(f"CloudWatch takes {_MOST_DIMENSIONS} dimensions, one of which names the target")
        return dimensions

    @model_validator(mode="after")
    def _still_kept(self) -> Self:
        reach = self.window + self.settle
        multiple = next((seconds for kept, seconds in _KEPT if reach <= kept), None)
        if multiple is None:
            raise refuse(f"window and settle reach back {format_duration(reach)}; CloudWatch keeps points for 455d")
        if self.period_seconds % multiple:
            raise refuse(
                f"window and settle reach back {format_duration(reach)}, where CloudWatch only keeps points of whole "
                f"multiples of {format_duration(timedelta(seconds=multiple))}; period is {format_duration(self.period)}"
            )
        return self


def _whole_windows(window: timedelta, period: timedelta) -> str:
    below = window // period * period
    nearest = [below, below + period] if below else [period]
    return "such as " + " or ".join(format_duration(one) for one in nearest)


def _statistic_problem(statistic: str) -> str | None:
    if statistic in _STATISTICS or _BOUNDED.fullmatch(statistic):
        return None
    if match := _PERCENTILE.fullmatch(statistic):
        return None if float(match[1]) <= 100 else "a percentile is between p0 and p100"
    by_fold = {one.casefold(): one for one in _STATISTICS} | _ALIASES
    close = difflib.get_close_matches(statistic.casefold(), by_fold, n=1)
    hint = f"; did you mean {by_fold[close[0]]}?" if close else ""
    return f"CloudWatch has {', '.join(_STATISTICS)}, percentiles such as p95, tm90 and TM(10%:90%){hint}"
