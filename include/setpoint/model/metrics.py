"""The metric batch: a reference to the numbers, never the numbers."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from setpoint.model.base import Name, UtcDatetime, Value

FRAME_COLUMNS = ("timestamp", "target", "metric", "value")
"""A batch in long form: ``timestamp`` (datetime64, UTC), ``target`` (str), ``metric`` (str), ``value`` (float64)."""


class Window(Value):
    """A half-open span of time: ``start`` belongs to it, ``end`` does not."""

    start: UtcDatetime
    end: UtcDatetime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a window ends after it starts; got {self.start:%FT%TZ} to {self.end:%FT%TZ}")
        return self

    @property
    def length(self) -> timedelta:
        return self.end - self.start


class Completeness(StrEnum):
    """What a source said of one series of its own answer."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """Some data is missing and the source says so (CloudWatch: ``PartialData``)."""
    ERROR = "error"
    """The source could not or would not answer for this series (``InternalError``, ``Forbidden``)."""


class SeriesStatus(Value):
    """One target's series of one metric, as the source answered it."""

    target: Name
    metric: Name
    status: Completeness
    points: int = Field(ge=0)
    """Points received. An empty answer is an answer: 0, never a made-up value."""
    expected_points: int = Field(ge=0)
    """Points the window and period call for."""
    period_seconds: int = Field(ge=1)
    messages: tuple[str, ...] = ()


class MetricBatch(Value):
    """A reference to one Parquet file in long form, and what the sources said about it."""

    batch_id: Name
    policy: Name
    uri: str
    """Where the Parquet file lies, as a path or a storage URI."""
    window: Window
    """The window asked for; each metric's own window ends at or before its end."""
    rows: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the file's bytes; a reader checks it before it believes the file."""
    units: dict[str, str] = Field(default_factory=dict)
    """The unit by metric, as the policy or the source names it."""
    series: tuple[SeriesStatus, ...] = ()
    pulled_at: UtcDatetime

    @property
    def targets(self) -> tuple[str, ...]:
        """The fleet it was pulled for; each target once."""
        return tuple(dict.fromkeys(one.target for one in self.series))
