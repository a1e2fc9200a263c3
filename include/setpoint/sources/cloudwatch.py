"""``aws.cloudwatch``: metrics of a whole fleet through GetMetricData, in as few calls as the API allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from setpoint.aws_errors import advice, error_code, handling_of
from setpoint.model import Window
from setpoint.sources.cloudwatch_metric import CloudWatchMetric, dimension_problem
from setpoint.sources.contract import Fetched, MetricConfig, SourceError

if TYPE_CHECKING:
    from setpoint.sources.cloudwatch_answer import Answer

__all__ = ["CloudWatchMetric", "CloudWatchSource", "client_settings"]

QUERIES_PER_CALL = 500
"""MetricDataQueries one GetMetricData call may hold (API reference, ``GetMetricData``)."""


def client_settings(max_concurrency: int = 4) -> dict[str, Any]:
    """Arguments for ``botocore.config.Config`` that suit this source: calls end, and slow down when throttled."""
    return {
        "connect_timeout": 5,
        "read_timeout": 30,
        "max_pool_connections": max(10, max_concurrency),
        "retries": {"mode": "adaptive", "total_max_attempts": 5},
    }


@dataclass(frozen=True)
class Call:
    """One GetMetricData call, and its pages: the series (metric, target) it asks for over one window."""

    window: Window
    series: tuple[tuple[str, str], ...]

    def request(self, metrics: Mapping[str, CloudWatchMetric]) -> dict[str, Any]:
        """The call's arguments; series number *n* is asked for as ``q<n>``."""
        return {
            "MetricDataQueries": [
                {"Id": f"q{number}", "MetricStat": _metric_stat(metrics[metric], target)}
                for number, (metric, target) in enumerate(self.series)
            ],
            "StartTime": self.window.start,
            "EndTime": self.window.end,
            "ScanBy": "TimestampAscending",
        }


class CloudWatchSource:
    """Reads CloudWatch.

    :param client: a boto3 ``cloudwatch`` client of the policy's connection, best built with :func:`client_settings`:
        botocore's own retries are the only ones made here.
    :param max_concurrency: calls under way at once; each asks for up to 500 series.
    """

    connection_type: ClassVar[str | None] = "aws"
    service: ClassVar[str] = "cloudwatch"
    Config: ClassVar[type[MetricConfig]] = CloudWatchMetric
    permissions: ClassVar[tuple[str, ...]] = ("cloudwatch:GetMetricData",)

    def __init__(self, client: Any, *, max_concurrency: int = 4) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency is at least 1; got {max_concurrency}")
        self._client = client
        self._max_concurrency = max_concurrency

    def fetch(self, metrics: Mapping[str, CloudWatchMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target, each over its own ``window_at(now)``.

        Metrics that share a window share calls. What CloudWatch said of a series stands in its status: ``PartialData``
        on its last page is partial (on an earlier one it only says that more follows); ``InternalError``, ``Forbidden``
        and no answer at all are errors. A point nobody asked for is reported there, not used. A target whose name
        cannot be a dimension's value is not asked for, since CloudWatch would refuse the whole call; its status is an
        error.

        :raises SourceError: CloudWatch could not be asked; retryable when it throttled, failed or did not answer in
            time.
        """
        from setpoint.sources.cloudwatch_answer import assemble

        calls = tuple(plan_calls(metrics, targets, now))
        with ThreadPoolExecutor(self._max_concurrency, thread_name_prefix="cloudwatch") as pool:
            pending = [pool.submit(self._ask, call, metrics) for call in calls]
            try:
                answers = [one.result() for one in pending]
            except SourceError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return assemble(metrics, targets, answers)

    def _ask(self, call: Call, metrics: Mapping[str, CloudWatchMetric]) -> Answer:
        from setpoint.sources.cloudwatch_answer import Answer

        request, answer = call.request(metrics), Answer(call, metrics)
        tokens: set[str] = set()
        while True:
            page = self._page(request, call)
            answer.add(page)
            token = page.get("NextToken")
            if not token:
                return answer
            if token in tokens:
                raise SourceError(f"{_what(call)}: the same NextToken came twice, its pages never end.", retryable=True)
            tokens.add(token)
            request["NextToken"] = token

    def _page(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            page: dict[str, Any] = self._client.get_metric_data(**request)
        except ClientError as error:
            raise self._refused(error, call) from error
        except (BotoCoreError, ResponseParserError) as error:
            handling, where = handling_of(error), self._client.meta.endpoint_url
            text = f"{_what(call)}: no usable answer from {where}: {error}. {advice(handling, self.permissions)}"
            raise SourceError(text, retryable=handling.retryable) from error
        return page

    def _refused(self, error: Any, call: Call) -> SourceError:
        handling, code = handling_of(error), error_code(error)
        hint = advice(handling, self.permissions)
        region = self._client.meta.region_name
        text = f"{_what(call)} in {region}: {handling.kind} error {code}: {error}. {hint}"
        return SourceError(text, retryable=handling.retryable)


def plan_calls(metrics: Mapping[str, CloudWatchMetric], targets: Sequence[str], now: datetime) -> Iterator[Call]:
    """The calls that ask for every metric of every target: one per window and 500 series."""
    askable = [target for target in dict.fromkeys(targets) if dimension_problem(target) is None]
    by_window: dict[Window, list[str]] = {}
    for metric, config in metrics.items():
        by_window.setdefault(config.window_at(now), []).append(metric)
    for window, names in by_window.items():
        series = [(metric, target) for metric in names for target in askable]
        for first in range(0, len(series), QUERIES_PER_CALL):
            yield Call(window, tuple(series[first : first + QUERIES_PER_CALL]))


def _metric_stat(config: CloudWatchMetric, target: str) -> dict[str, Any]:
    dimensions = {config.dimension: target, **config.dimensions}
    stat: dict[str, Any] = {
        "Metric": {
            "Namespace": config.namespace,
            "MetricName": config.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        },
        "Period": config.period_seconds,
        "Stat": config.statistic,
    }
    if config.query_unit is not None:
        stat["Unit"] = config.query_unit
    return stat


def _what(call: Call) -> str:
    metric, target = call.series[0]
    more = f" and {len(call.series) - 1} more series" if len(call.series) > 1 else ""
    span = f"{call.window.start:%FT%TZ} to {call.window.end:%FT%TZ}"
    return f"CloudWatch GetMetricData of {metric} of {target}{more}, {span}"
