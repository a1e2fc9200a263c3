from typing import Literal

from setpoint.sources.contract import MetricConfig


class CloudWatchMetric(MetricConfig):
    source: Literal["aws.cloudwatch"]


class CloudWatchSource:
    Config = CloudWatchMetric
    permissions = ()
    fetch = None
