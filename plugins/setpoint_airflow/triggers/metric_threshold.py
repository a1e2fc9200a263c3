"""Wait in the triggerer until a metric crosses a threshold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from setpoint.sources.contract import SourceError
from setpoint_airflow.metric_watch import MetricWatch, WatchError
from setpoint_airflow.providers import sources_for


class MetricThresholdTrigger(BaseTrigger):
    """Look every few seconds, by the same predicate as the sensor's own look, until the threshold is crossed.

    The parameters are those of :class:`setpoint_airflow.sensors.metric_threshold.MetricThresholdSensor`.

    :param poke_interval: seconds between two looks.
    """

    def __init__(
        self,
        *,
        targets: str | Sequence[str],
        metric: Mapping[str, Any],
        rule: Mapping[str, Any],
        quality: Mapping[str, Any] | None = None,
        require: str = "all",
        gate: bool = True,
        poke_interval: float = 60,
        aws_conn_id: str = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()
        self.poke_interval = poke_interval
        self.parameters: dict[str, Any] = {
            "targets": targets if isinstance(targets, str) else list(targets),
            "metric": dict(metric),
            "rule": dict(rule),
            "quality": None if quality is None else dict(quality),
            "require": require,
            "gate": gate,
            "aws_conn_id": aws_conn_id,
            "region_name": region_name,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "setpoint_airflow.triggers.metric_threshold.MetricThresholdTrigger",
            {**self.parameters, "poke_interval": self.poke_interval},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            watch = MetricWatch.of(**self.parameters)
            # Airflow looks connections up in the thread it lends for that; the looks themselves get threads of their
            # own, so that a slow answer holds up no other trigger.
            sources = await sync_to_async(sources_for)(watch.policy)
            while True:
                try:
                    look = await asyncio.to_thread(watch.look, sources, datetime.now(UTC))
                except SourceError as error:
                    if not error.retryable:
                        raise
                    self.log.warning(
                        "The metric could not be read, looking again in %s s: %s", self.poke_interval, error
                    )
                else:
                    self.log.info("Looked: %s", look.to_json())
                    if look.met:
                        yield TriggerEvent({"status": "success", "value": look.to_json()})
                        return
                await asyncio.sleep(self.poke_interval)
        except (SourceError, WatchError) as error:
            yield TriggerEvent({"status": "error", "message": str(error)})
