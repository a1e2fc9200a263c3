"""``source: prometheus`` in a policy: which query, and which series of its answer is whose."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from setpoint.policy.fields import refuse
from setpoint.sources.contract import ConnectionName, MetricConfig
from setpoint.sources.promql import Promql, PromqlError, read_promql
from setpoint.sources.target_names import TargetNames
from setpoint.sources.windows import whole_seconds, whole_window


class PrometheusMetric(MetricConfig, TargetNames):
    """``source: prometheus``: one PromQL query for the whole fleet."""

    source: Literal["prometheus"]
    connection: ConnectionName = Field(description="the Airflow connection (type http) of the server")
    query: str = Field(
        min_length=1,
        max_length=10_000,
        description="PromQL that answers one series a target. Every selector has a range; $period is the metric's "
        "period, $targets the fleet: avg by (group) (avg_over_time(load{group=~$targets}[$period]))",
    )
    label: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=255, description="the label whose value names the target"
    )

    @property
    def promql(self) -> Promql:
        """The query, read."""
        return _read(self.query, self.period)

    @field_validator("period")
    @classmethod
    def _period_whole(cls, period: timedelta) -> timedelta:
        return whole_seconds(period)

    @field_validator("window")
    @classmethod
    def _window_whole(cls, window: timedelta, info: ValidationInfo) -> timedelta:
        return whole_window(window, info)

    @field_validator("query")
    @classmethod
    def _query_readable(cls, query: str, info: ValidationInfo) -> str:
        try:
            _read(query, info.data.get("period") or timedelta(minutes=1))
        except PromqlError as error:
            raise refuse(str(error)) from None
        return query


@lru_cache(maxsize=1_000)
def _read(query: str, period: timedelta) -> Promql:
    return read_promql(query, period)
