"""``source: aws.cloudwatch_stream`` in a policy: a metric out of a CloudWatch metric stream that lies in S3."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from setpoint.policy.fields import Duration, format_duration, refuse
from setpoint.sources.cloudwatch_stat import (
    STANDARD_UNITS,
    Account,
    DimensionName,
    DimensionValue,
    MetricName,
    Namespace,
    Statistic,
    fitting_dimensions,
)
from setpoint.sources.contract import AwsMetricConfig
from setpoint.sources.object_times import step_of
from setpoint.sources.target_names import TargetNames
from setpoint.sources.windows import whole_window

ALWAYS_STREAMED = {"Average": ("sum", "count"), "Sum": ("sum",), "Minimum": ("min",), "Maximum": ("max",),
                   "SampleCount": ("count",)}  # fmt: skip
"""What every streamed point carries, and what a statistic is made of ("Statistics that can be streamed", CloudWatch's
user guide). Any other statistic is streamed where the stream's statistics configuration names it."""

FIREHOSE_PREFIX = "%Y/%m/%d/%H/"
"""What Firehose puts before an object's name: the hour, in UTC, its oldest record arrived in (its developer guide,
"Configure Amazon S3 object name format")."""

_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_MINUTE = timedelta(minutes=1)
_MOST_HOURS = 24 * 7


class StreamMetric(AwsMetricConfig, TargetNames):
    """``source: aws.cloudwatch_stream``: one CloudWatch metric, out of what a metric stream leaves in a bucket."""

    source: Literal["aws.cloudwatch_stream"]
    settle: Duration = Field(
        default=timedelta(minutes=3),
        description="leave out points younger than this: a stream delivers within two to three minutes, and Firehose "
        "gathers before it writes",
    )
    bucket: str = Field(pattern=_BUCKET, description="the bucket Firehose writes to; region is that of the bucket")
    prefix: str = Field(
        default=FIREHOSE_PREFIX,
        max_length=512,
        description="how the objects' keys begin; %Y %m %d %H are the hour in UTC, as Firehose writes it: "
        "metrics/%Y/%m/%d/%H/",
    )
    namespace: Namespace = Field(description="the metric's namespace, such as AWS/EC2")
    name: MetricName = Field(description="the metric's name, such as CPUUtilization")
    statistic: Statistic = Field(
        description="Average, Sum, Minimum, Maximum or SampleCount; at a period of 1m also what the stream is set up "
        "to carry besides, such as p95, tm90 or TM(25%:75%)"
    )
    dimension: DimensionName = Field(
        default="AutoScalingGroupName", description="the dimension whose value names the target"
    )
    dimensions: dict[DimensionName, DimensionValue] = Field(
        default_factory=dict, description="further dimensions, the same for every target"
    )
    account: Account | None = Field(
        default=None, description="the account the metric is of, where the stream carries several"
    )
    metric_region: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="the region the metric is of, where the bucket gets several",
    )
    max_objects: int = Field(default=2_000, ge=1, le=50_000, description="how many objects are read, the newest first")
    max_megabytes: int = Field(
        default=256, ge=1, le=1024, description="how large an object may be, in MB, packed and unpacked"
    )

    @property
    def query_unit(self) -> str | None:
        """The unit whose points are read; ``None`` when ``unit`` is not one of CloudWatch's own."""
        return self.unit if self.unit in STANDARD_UNITS else None

    def arns_of(self, action: str) -> tuple[str, ...]:
        """What an S3 action is needed on: the bucket, or an object of it such as Firehose writes."""
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(re.split(r"-[a-z]+-\d", self.region or "")[0], "aws")
        bucket = f"arn:{partition}:s3:::{self.bucket}"
        return (bucket,) if action == "s3:ListBucket" else (f"{bucket}/{self.prefix.partition('%')[0]}setpoint-doctor",)

    @property
    def streamed(self) -> tuple[str, ...]:
        """The keys of ``value`` that the statistic is made of."""
        return ALWAYS_STREAMED.get(self.statistic, (self.statistic,))

    @field_validator("period")
    @classmethod
    def _period_whole_minutes(cls, period: timedelta) -> timedelta:
        if period < _MINUTE or period % _MINUTE:
            raise refuse("a metric stream has a point a minute; period is a whole number of minutes")
        return period

    @field_validator("window")
    @classmethod
    def _window_whole(cls, window: timedelta, info: ValidationInfo) -> timedelta:
        return whole_window(window, info)

    @field_validator("prefix")
    @classmethod
    def _prefix_by_the_hour(cls, prefix: str) -> str:
        if unknown := sorted(set(re.findall(r"%.?", prefix)) - {"%Y", "%m", "%d", "%H"}):
            raise refuse(f"{', '.join(unknown)} is no part of a time here; there are %Y, %m, %d and %H")
        if "!{" in prefix:
            raise refuse(f"prefix is written as {FIREHOSE_PREFIX}, not in Firehose's words !{{timestamp:...}}")
        if step_of(prefix) != timedelta(hours=1):
            raise refuse(f"prefix has the hour in it, or the whole bucket would be listed: {FIREHOSE_PREFIX}")
        return prefix

    @field_validator("dimensions")
    @classmethod
    def _dimensions_fit(cls, dimensions: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        return fitting_dimensions(dimensions, info.data.get("dimension"))

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if self.statistic not in ALWAYS_STREAMED and self.period != _MINUTE:
            raise refuse(
                f"{self.statistic} of minutes cannot be put together to one of {format_duration(self.period)}; "
                "set period to 1m"
            )
        if self.window + self.settle > timedelta(hours=_MOST_HOURS):
            raise refuse(
                "window and settle reach back more than 7d; a stream is for the last hours, use aws.cloudwatch"
            )
        return self
