"""Wait until a CloudWatch Logs Insights query finds enough."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from setpoint_airflow.hooks.logs_insights import LogsInsightsHook
from setpoint_airflow.logs_watch import LogsLook, LogsLookError, LogsQuery, LogsWatch, LogsWatchError, hook_for
from setpoint_airflow.triggers.logs_insights import LogsInsightsTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class LogsInsightsSensor(BaseSensorOperator):
    """
    Wait until a CloudWatch Logs Insights query finds enough: so many rows, or rows whose field crosses a number.

    The query is run over the window that ends at the moment of the look, again and again. What it has not finished
    within ``query_timeout`` is stopped, as is the query of a task that is killed or runs out of time.

    .. code-block:: python

        LogsInsightsSensor(
            task_id="payments_fail",
            log_groups="/ecs/checkout",
            query="filter level = 'ERROR' | stats count(*) as errors by route",
            window="5m",
            rule={"field": "errors", "above": 20},
            deferrable=True,
        )

    The task needs ``logs:StartQuery``, ``logs:GetQueryResults`` and ``logs:StopQuery``. AWS charges a query by the
    amount of data it scans: a long window and a short ``poke_interval`` multiply.

    :param log_groups: The log groups to query, at most 50; ARNs for those of a linked account. (templated)
    :param query: The query, in the Logs Insights query language. (templated)
    :param window: How far back the query looks: ``5m``, ``1h30m``. (templated)
    :param rule: ``{"rows": 5}``: so many rows at least. ``{"field": "errors", "above": 20}``, or ``below``: a row whose
        field crosses the number; with ``rows``, so many of these. One row, when left out. (templated)
    :param limit: Rows to fetch at most.
    :param query_timeout: Seconds one run of the query may take.
    :param query_poll_interval: Seconds between two questions whether a run has ended.
    :param deferrable: If True, the sensor waits in the triggerer.
    :param aws_conn_id: The Airflow connection used for AWS credentials. (templated)
    :param region_name: AWS region_name. If not specified then the default boto3 behaviour is used. (templated)
    :param verify: Whether or not to verify SSL certificates.
    :param botocore_config: Configuration dictionary (key-values) for botocore client.
    :return: ``{"rows": how many count, "of": how many there were, "first": the first ten that count}``.
    """

    template_fields: Sequence[str] = ("aws_conn_id", "log_groups", "query", "region_name", "rule", "window")
    ui_color = "#fddac3"

    def __init__(
        self,
        *,
        log_groups: str | Sequence[str],
        query: str,
        window: str = "5m",
        rule: Mapping[str, Any] | None = None,
        limit: int = 100,
        query_timeout: float = 300,
        query_poll_interval: float = 1,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.log_groups = log_groups
        self.query = query
        self.window = window
        self.rule = rule
        self.limit = limit
        self.query_timeout = query_timeout
        self.query_poll_interval = query_poll_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.deferrable = deferrable

    @property
    def _watched(self) -> dict[str, Any]:
        return {
            "log_groups": self.log_groups,
            "query": self.query,
            "window": self.window,
            "rule": self.rule or {},
            "limit": self.limit,
            "query_timeout": self.query_timeout,
        }

    @property
    def _connected(self) -> dict[str, Any]:
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    @cached_property
    def _hook(self) -> LogsInsightsHook:
        return hook_for(**self._connected)

    def poke(self, context: Context) -> PokeReturnValue:
        try:
            look = self._look(LogsWatch.of(**self._watched))
        except LogsLookError as error:
            self.log.warning("Looking again: %s", error)
            return PokeReturnValue(is_done=False)
        except LogsWatchError as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Looked: %s of %s rows count", len(look.rows), look.of)
        return PokeReturnValue(is_done=look.met, xcom_value=look.to_json())

    def _look(self, watch: LogsWatch) -> LogsLook:
        query = LogsQuery(watch, self._hook)
        self._running = query
        try:
            query.start(datetime.now(UTC))
            while (look := query.poll()) is None:
                time.sleep(self.query_poll_interval)
            return look
        finally:
            query.stop()

    _running: LogsQuery | None = None

    def on_kill(self) -> None:
        if self._running is not None:
            self._running.stop()

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        # What can never be fails here and now; the query itself may take minutes, and those the triggerer waits.
        try:
            LogsWatch.of(**self._watched)
        except LogsWatchError as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"Skipping instead of failing: {error}") from error
            raise AirflowFailException(str(error)) from error
        return self.defer(
            timeout=timedelta(seconds=self.timeout),
            trigger=LogsInsightsTrigger(
                **self._watched,
                **self._connected,
                query_poll_interval=self.query_poll_interval,
                poke_interval=self.poke_interval,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        if event["status"] != "success":
            raise AirflowFailException(event["message"])
        return event["value"]
