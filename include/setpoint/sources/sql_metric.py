"""``source: sql`` in a policy: a query, and which of its columns is what."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from setpoint.policy.fields import Duration, refuse
from setpoint.sources.contract import ConnectionName, MetricConfig
from setpoint.sources.sql_text import query_problem
from setpoint.sources.table_columns import TableColumns
from setpoint.sources.target_names import TargetNames
from setpoint.sources.windows import whole_seconds, whole_window


class SqlMetric(MetricConfig, TargetNames):
    """``source: sql``: one metric out of a database, through any Airflow connection of one."""

    source: Literal["sql"]
    connection: ConnectionName = Field(description="the Airflow connection of the database")
    query: str = Field(
        min_length=1,
        max_length=20_000,
        description="one SELECT with the parameters :start and :end (the window, half open) and, best, :targets (what "
        "the fleet is called there, as in host IN :targets); they are handed to the database apart, never pasted in",
    )
    columns: TableColumns = Field(default=TableColumns(), description="which column of the answer is what")
    name: str | None = Field(
        default=None, min_length=1, max_length=256, description="what columns.metric holds in this metric's rows"
    )
    row_limit: int = Field(
        default=1_000_000,
        ge=1,
        le=20_000_000,
        description="rows the answer may have; with more of them none is used, since nobody knows which are missing",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30), description="how long the query may take, reading its answer included"
    )
    read_only: Literal["transaction", "privileges"] = Field(
        default="transaction",
        description="what keeps the query from changing anything: a read-only transaction (PostgreSQL, SQLite) or, for "
        "other databases, that the connection's user has no right to",
    )

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
    def _query_reads(cls, query: str) -> str:
        if problem := query_problem(query):
            raise refuse(problem)
        return query

    @field_validator("timeout")
    @classmethod
    def _timeout_bounded(cls, timeout: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= timeout <= timedelta(minutes=10):
            raise refuse("timeout is between 1s and 10m")
        return timeout

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.columns.metric is None) != (self.name is None):
            raise refuse("columns.metric and name belong together: the column of the metrics' names, and this one's")
        return self
