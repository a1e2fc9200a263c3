"""``aws.cloudwatch``: metrics of a whole fleet through GetMetricData, in as few calls as the API allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from setpoint.settings import load_settings
from setpoint.sources.cloudwatch_calls import Calls
from setpoint.sources.cloudwatch_metric import CloudWatchMetric
from setpoint.sources.cloudwatch_pace import Pace, Quotas
from setpoint.sources.cloudwatch_queries import plan_calls
from setpoint.sources.contract import Fetched, MetricConfig

__all__ = ["CloudWatchMetric", "CloudWatchSource"]


class CloudWatchSource:
    """Reads CloudWatch.

    :param client: a boto3 ``cloudwatch`` client of the metrics' connection and region. Its time limits count, and the
        number of attempts it is configured for; how attempts follow each other is decided here (see
        :mod:`setpoint.sources.cloudwatch_calls`).
    :param max_concurrency: calls under way at once; each asks for up to 500 series.
    :param pace: how fast calls may follow each other; left out, as the deployment's settings say.
    """

    connection_type: ClassVar[str | None] = "aws"
    service: ClassVar[str] = "cloudwatch"
    Config: ClassVar[type[MetricConfig]] = CloudWatchMetric
    permissions: ClassVar[tuple[str, ...]] = ("cloudwatch:GetMetricData",)
    when_empty: ClassVar[str] = (
        "look the metric up in CloudWatch, in this account and region: namespace, name, dimensions and unit are to be "
        "those it is published under, letter by letter, and its points no further apart than period"
    )

    def __init__(self, client: Any, *, max_concurrency: int = 4, pace: Pace | None = None) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency is at least 1; got {max_concurrency}")
        self._client = client
        self._max_concurrency = max_concurrency
        self._pace = pace or Pace(quotas=Quotas.of(load_settings()))

    def fetch(self, metrics: Mapping[str, CloudWatchMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target, each over its own ``window_at(now)``.

        Metrics that share a window share calls. What CloudWatch said of a series stands in its status: ``PartialData``
        on its last page is partial (on an earlier one it only says that more follows); ``InternalError``, ``Forbidden``
        and no answer at all are errors. A point nobody asked for is reported there, not used; nor is a point of an
        expression that was computed while one of its queries had none. A target whose name cannot be a dimension's
        value is not asked for, since CloudWatch would refuse the whole call; its status is an error.

        :raises SourceError: CloudWatch could not be asked; retryable when it throttled, failed or did not answer in
            time.
        """
        from setpoint.sources.cloudwatch_answer import Answer, assemble

        calls = Calls(self._client, at_once=self._max_concurrency, permissions=self.permissions, pace=self._pace)
        planned = list(plan_calls(metrics, targets, now))
        answers = calls.each(planned, lambda call, pages: Answer.of(call, pages, metrics))
        return assemble(metrics, targets, answers)
