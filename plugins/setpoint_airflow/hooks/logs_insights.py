"""Interact with CloudWatch Logs Insights."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

MAX_QUERY_CHARACTERS = 10_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html, as the two below."""
MAX_LOG_GROUPS = 50
MAX_ROWS = 10_000
"""Rows one GetQueryResults call answers with."""


class LogsInsightsHook(AwsBaseHook):
    """
    Interact with CloudWatch Logs Insights.

    Provide thin wrapper around :external+boto3:py:class:`boto3.client("logs") <CloudWatchLogs.Client>`.

    Additional arguments (such as ``aws_conn_id``) may be specified and
    are passed down to the underlying AwsBaseHook.

    .. seealso::
        - :class:`airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook`
    """

    INTERMEDIATE_STATES = ("Scheduled", "Running", "Unknown")
    FAILURE_STATES = ("Failed", "Cancelled", "Timeout")
    SUCCESS_STATES = ("Complete",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "logs"
        super().__init__(*args, **kwargs)

    def start_query(
        self, log_group_names: Sequence[str], query: str, start_time: datetime, end_time: datetime, limit: int
    ) -> str:
        """
        Start a query; it runs at most 60 minutes, and an account runs some tens at the same time.

        .. seealso::
            - :external+boto3:py:meth:`CloudWatchLogs.Client.start_query`

        :param log_group_names: The log groups; ARNs for those of a linked account.
        :param query: The query, in the Logs Insights query language.
        :param start_time: The first moment, aware; belongs to the range, to the second.
        :param end_time: The last moment, aware; belongs to the range, to the second.
        :param limit: Rows at most, when the query itself does not say.
        :return: The query's id.
        """
        named = "logGroupIdentifiers" if any(one.startswith("arn:") for one in log_group_names) else "logGroupNames"
        answer = self.conn.start_query(
            **{named: list(log_group_names)},
            queryString=query,
            startTime=int(start_time.timestamp()),
            endTime=int(end_time.timestamp()),
            limit=limit,
        )
        return str(answer["queryId"])

    def get_query_results(self, query_id: str) -> tuple[str, list[dict[str, str]]]:
        """
        How a query stands, and its rows so far.

        .. seealso::
            - :external+boto3:py:meth:`CloudWatchLogs.Client.get_query_results`

        :param query_id: The query's id.
        :return: The status (one of the ``STATES`` above) and the rows, each a value by its field's name; values are
            texts. ``@ptr``, which only points at the log event, is left out.
        """
        answer = self.conn.get_query_results(queryId=query_id)
        rows = [
            {cell["field"]: cell.get("value", "") for cell in row if cell.get("field") not in (None, "@ptr")}
            for row in answer.get("results", ())
        ]
        return str(answer["status"]), rows

    def stop_query(self, query_id: str) -> bool:
        """
        Stop a query, so that it counts no longer towards those of the account.

        .. seealso::
            - :external+boto3:py:meth:`CloudWatchLogs.Client.stop_query`

        :param query_id: The query's id.
        :return: Whether it was running and is stopped; False when it had ended by itself.
        """
        from botocore.exceptions import ClientError

        try:
            return bool(self.conn.stop_query(queryId=query_id).get("success"))
        except ClientError as error:
            # AWS says of a query that has ended that it cannot be stopped, and of one it has forgotten that it is not.
            if error.response["Error"]["Code"] in ("InvalidParameterException", "ResourceNotFoundException"):
                return False
            raise
