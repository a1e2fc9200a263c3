"""Wait in the triggerer until a CloudWatch Logs Insights query finds enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from setpoint_airflow.hooks.logs_insights import LogsInsightsHook
from setpoint_airflow.logs_watch import LogsLook, LogsLookError, LogsQuery, LogsWatch, LogsWatchError, hook_for


class LogsInsightsTrigger(BaseTrigger):
    """Run the query every few seconds, judged by the same predicate as the sensor's, until it finds enough.

    The parameters are those of :class:`setpoint_airflow.sensors.logs_insights.LogsInsightsSensor`.

    :param poke_interval: seconds between the end of one run of the query and the start of the next.
    """

    def __init__(
        self,
        *,
        log_groups: str | Sequence[str],
        query: str,
        window: str,
        rule: Mapping[str, Any] | None = None,
        limit: int = 100,
        query_timeout: float = 300,
        query_poll_interval: float = 1,
        poke_interval: float = 60,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.poke_interval = poke_interval
        self.query_poll_interval = query_poll_interval
        self.watched: dict[str, Any] = {
            "log_groups": log_groups if isinstance(log_groups, str) else list(log_groups),
            "query": query,
            "window": window,
            "rule": dict(rule or {}),
            "limit": limit,
            "query_timeout": query_timeout,
        }
        self.connected: dict[str, Any] = {
            "aws_conn_id": aws_conn_id,
            "region_name": region_name,
            "verify": verify,
            "botocore_config": botocore_config,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "setpoint_airflow.triggers.logs_insights.LogsInsightsTrigger",
            {
                **self.watched,
                **self.connected,
                "query_poll_interval": self.query_poll_interval,
                "poke_interval": self.poke_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            watch = LogsWatch.of(**self.watched)
            # Airflow looks connections up in the thread it lends for that; the calls themselves get threads of their
            # own, so that a slow answer holds up no other trigger.
            hook = await sync_to_async(hook_for)(**self.connected)
            while True:
                try:
                    look = await self._look(watch, hook)
                except LogsLookError as error:
                    self.log.warning("Looking again in %s s: %s", self.poke_interval, error)
                else:
                    self.log.info("Looked: %s of %s rows count", len(look.rows), look.of)
                    if look.met:
                        yield TriggerEvent({"status": "success", "value": look.to_json()})
                        return
                await asyncio.sleep(self.poke_interval)
        except LogsWatchError as error:
            yield TriggerEvent({"status": "error", "message": str(error)})

    async def _look(self, watch: LogsWatch, hook: LogsInsightsHook) -> LogsLook:
        """One run of the query. However this ends, also by a kill, a time-out or the triggerer's end, none goes on.

        Stopping it when the triggerer ends is right here, unlike for a job that is taken over: whoever takes the wait
        over begins with a query of its own.
        """
        query = LogsQuery(watch, hook)
        # Shielded, because a thread goes on when it is no longer awaited: the query it starts is to be known, and
        # stopped, all the same.
        starting = asyncio.ensure_future(asyncio.to_thread(query.start, datetime.now(UTC)))
        try:
            await asyncio.shield(starting)
            while (look := await asyncio.to_thread(query.poll)) is None:
                await asyncio.sleep(self.query_poll_interval)
            return look
        finally:
            await asyncio.shield(_end(starting, query))


async def _end(starting: asyncio.Future[None], query: LogsQuery) -> None:
    await asyncio.wait([starting])
    if not starting.cancelled():
        starting.exception()  # Whoever awaited the start has it; when nobody does any more, it is not to be warned of.
    await asyncio.to_thread(query.stop)
