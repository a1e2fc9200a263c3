"""Interact with Amazon CloudWatch metrics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

QUERIES_PER_CALL = 500
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html"""


class CloudWatchMetricsHook(AwsBaseHook):
    """
    Interact with Amazon CloudWatch metrics.

    Provide thin wrapper around :external+boto3:py:class:`boto3.client("cloudwatch") <CloudWatch.Client>`.

    Additional arguments (such as ``aws_conn_id``) may be specified and
    are passed down to the underlying AwsBaseHook.

    .. seealso::
        - :class:`airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook`
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "cloudwatch"
        super().__init__(*args, **kwargs)

    def get_metric_data(
        self, metric_data_queries: Sequence[dict[str, Any]], start_time: datetime, end_time: datetime
    ) -> list[dict[str, Any]]:
        """
        Get the points of any number of metrics, oldest first.

        As many calls are made as the API needs (500 queries each) and every page is read.

        :param metric_data_queries: ``MetricDataQuery`` structures; each ``Id`` once.
        :param start_time: The first moment, aware; belongs to the answer.
        :param end_time: The end, aware; does not belong to the answer.
        :return: One ``MetricDataResult`` for each query that was answered: ``Timestamps`` and ``Values`` of all pages
            together, the last page's ``StatusCode``, and the ``Messages`` of every page.
        """
        results: dict[str, dict[str, Any]] = {}
        for start in range(0, len(metric_data_queries), QUERIES_PER_CALL):
            arguments: dict[str, Any] = {
                "MetricDataQueries": list(metric_data_queries[start : start + QUERIES_PER_CALL]),
                "StartTime": start_time,
                "EndTime": end_time,
                "ScanBy": "TimestampAscending",
            }
            while True:
                page = self.conn.get_metric_data(**arguments)
                for answer in page["MetricDataResults"]:
                    _merge(results, answer)
                if not page.get("NextToken"):
                    break
                arguments["NextToken"] = page["NextToken"]
        return list(results.values())


def _merge(results: dict[str, dict[str, Any]], answer: dict[str, Any]) -> None:
    known = results.setdefault(answer["Id"], {**answer, "Timestamps": [], "Values": [], "Messages": []})
    known["Timestamps"].extend(answer.get("Timestamps", ()))
    known["Values"].extend(answer.get("Values", ()))
    known["Messages"].extend(answer.get("Messages", ()))
    known["StatusCode"] = answer.get("StatusCode", known.get("StatusCode"))
