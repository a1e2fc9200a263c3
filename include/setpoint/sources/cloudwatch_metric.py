"""``source: aws.cloudwatch`` in a policy: which metric, and only in forms CloudWatch answers.

A metric is named (``namespace``, ``name``, ``statistic``), computed of others (``expression`` over ``queries``), or
asked for with a Metrics Insights query (``select``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from setpoint.policy.fields import format_duration, refuse
from setpoint.sources import cloudwatch_insights, cloudwatch_math
from setpoint.sources.cloudwatch_stat import (
    ACCOUNT_MEANING,
    STANDARD_UNITS,
    Account,
    DimensionName,
    DimensionValue,
    MetricName,
    Namespace,
    Operand,
    Statistic,
    dimension_problem,
    fitting_dimensions,
)
from setpoint.sources.contract import AwsMetricConfig
from setpoint.sources.target_names import TargetNames

__all__ = ["STANDARD_UNITS", "CloudWatchMetric", "Form", "Operand", "dimension_problem"]

Form = Literal["named", "computed", "selected"]
_NAMED = ("namespace", "name", "statistic")

_SHORT_PERIODS = (1, 5, 10, 20, 30)
# The further back a window starts, the coarser the points CloudWatch still keeps: (reaching back, multiple of seconds).
_KEPT = (
    (timedelta(hours=3), 1),
    (timedelta(days=15), 60),
    (timedelta(days=63), 300),
    (timedelta(days=455), 3600),
)


class CloudWatchMetric(AwsMetricConfig, TargetNames):
    """``source: aws.cloudwatch``: one CloudWatch metric, read for every target."""

    source: Literal["aws.cloudwatch"]
    namespace: Namespace | None = Field(default=None, description="the metric's namespace, such as AWS/EC2")
    name: MetricName | None = Field(default=None, description="the metric's name, such as CPUUtilization")
    statistic: Statistic | None = Field(
        default=None,
        description="Average, Sum, Minimum, Maximum, SampleCount, a percentile such as p95, "
        "or another extended statistic such as tm90, IQM or PR(:300)",
    )
    dimension: DimensionName = Field(
        default="AutoScalingGroupName", description="the dimension whose value names the target"
    )
    dimensions: dict[DimensionName, DimensionValue] = Field(
        default_factory=dict, description="further dimensions, the same for every target"
    )
    account: Account | None = Field(default=None, description=ACCOUNT_MEANING)
    queries: dict[Annotated[str, Field(pattern=cloudwatch_math.QUERY_NAME)], Operand] = Field(
        default_factory=dict,
        max_length=cloudwatch_math.MOST_QUERIES,
        description="instead of namespace, name and statistic: the metrics an expression is computed of, by name",
    )
    expression: str | None = Field(
        default=None,
        min_length=1,
        max_length=cloudwatch_math.LONGEST_EXPRESSION,
        description="metric math over queries, such as 100 * errors / requests",
    )
    select: str | None = Field(
        default=None,
        min_length=1,
        max_length=cloudwatch_insights.LONGEST_QUERY,
        description="instead: a Metrics Insights query, SELECT ... GROUP BY the dimension that names the target",
    )

    @property
    def form(self) -> Form:
        """How the metric is asked for: by its name, computed of others, or selected."""
        return "computed" if self.expression is not None else "selected" if self.select is not None else "named"

    @property
    def query_unit(self) -> str | None:
        """The unit CloudWatch is asked for: data published in another unit is then not answered at all.

        ``None`` when ``unit`` is not one of CloudWatch's own (spelled exactly so), or the metric is not asked for by
        its name: then it is a word for people.
        """
        return self.unit if self.form == "named" and self.unit in STANDARD_UNITS else None

    @property
    def what(self) -> str:
        """The metric in a few words."""
        if self.form == "computed":
            return f"{self.expression} of {', '.join(f'{one.namespace} {one.name}' for one in self.queries.values())}"
        return str(self.select) if self.form == "selected" else f"{self.namespace} {self.name}"

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

    @field_validator("dimensions")
    @classmethod
    def _dimensions_fit(cls, dimensions: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        return fitting_dimensions(dimensions, info.data.get("dimension"))

    @field_validator("expression")
    @classmethod
    def _expression_fits(cls, expression: str | None, info: ValidationInfo) -> str | None:
        queries = info.data.get("queries")
        if expression is None or queries is None:  # where queries has a mistake of its own, it is reported
            return expression
        if not queries:
            raise refuse("an expression is computed of queries: name the metrics it needs there")
        if problem := cloudwatch_math.problem_of(expression, queries):
            raise refuse(problem)
        if cloudwatch_math.longest(expression, queries) > cloudwatch_math.LONGEST_EXPRESSION:
            raise refuse("is too long for CloudWatch once each name stands for one target's metric; make it shorter")
        return expression

    @field_validator("select")
    @classmethod
    def _select_fits(cls, select: str | None, info: ValidationInfo) -> str | None:
        dimension = info.data.get("dimension")
        if select is not None and dimension and (problem := cloudwatch_insights.problem_of(select, dimension)):
            raise refuse(problem)
        return select

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = {
            "named": [key for key in _NAMED if getattr(self, key) is not None],
            "computed": [key for key, there in (("expression", self.expression), ("queries", self.queries)) if there],
            "selected": ["select"] if self.select is not None else [],
        }
        said = [keys for keys in forms.values() if keys]
        if len(said) > 1:
            both = " and ".join(", ".join(keys) for keys in said)
            raise refuse(f"{both} are different ways to ask for a metric; keep one of them")
        if forms["computed"] and self.expression is None:
            raise refuse("queries are there for an expression; add one, such as 100 * errors / requests")
        if self.form == "named" and (missing := [key for key in _NAMED if key not in forms["named"]]):
            raise refuse(f"{_listed(missing)} missing: a metric has these, or expression and queries, or select")
        if self.form != "named" and (extra := [key for key in ("account", "dimensions") if getattr(self, key)]):
            where = "in each of queries" if self.form == "computed" else "in the query's WHERE"
            raise refuse(f"{' and '.join(extra)} must be said {where}")
        return self

    @model_validator(mode="after")
    def _still_kept(self) -> Self:
        reach = self.window + self.settle
        multiple = next((seconds for kept, seconds in _KEPT if reach <= kept), None)
        if multiple is None:
            raise refuse(f"window and settle reach back {format_duration(reach)}; CloudWatch keeps points for 455d")
        if self.form == "selected" and reach > cloudwatch_insights.REACHES_BACK:
            raise refuse(f"window and settle reach back {format_duration(reach)}; a Metrics Insights query reaches 14d")
        if self.form == "selected" and self.period < cloudwatch_insights.FINEST:
            raise refuse(
                f"a Metrics Insights query answers in minutes; period is {format_duration(self.period)}, set it to 1m"
            )
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


def _listed(keys: list[str]) -> str:
    return f"{', '.join(keys)} {'is' if len(keys) == 1 else 'are'}"
