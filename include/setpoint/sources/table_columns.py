"""``columns:`` of a metric that lies in a table: which column is what, and how its times are to be read."""

from __future__ import annotations

from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from setpoint.model.base import Value
from setpoint.policy.fields import refuse

_MOST_LETTERS = 256


class TableColumns(Value):
    """Which column is what. Times are exact: UTC with its zone, or a zone or unit named here."""

    timestamp: str = Field(
        default="timestamp", min_length=1, max_length=_MOST_LETTERS, description="the column of the points' times"
    )
    target: str = Field(
        default="target", min_length=1, max_length=_MOST_LETTERS, description="the column of the targets' names"
    )
    value: str = Field(default="value", min_length=1, max_length=_MOST_LETTERS, description="the column of the values")
    metric: str | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_LETTERS,
        description="the column that says which metric a row is of, where several share a table; name says which one "
        "is meant",
    )
    time_zone: str | None = Field(
        default=None,
        description="the zone of times that are written without one, such as UTC or Europe/Berlin; such times are "
        "refused when it is left out",
    )
    time_unit: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None, description="what a time that is a number counts since 1970, UTC: s, ms, us or ns"
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise refuse("is no time zone of the IANA database; give one such as UTC or Europe/Berlin") from None
        return zone

    @model_validator(mode="after")
    def _one_way_to_tell_the_time(self) -> Self:
        if self.time_zone is not None and self.time_unit is not None:
            raise refuse("time_unit counts in UTC, so there is no time_zone beside it; keep the one that is meant")
        named = [one for one in (self.timestamp, self.target, self.value, self.metric) if one is not None]
        if len(set(named)) < len(named):
            raise refuse("timestamp, target, value and metric are columns of their own; two have the same name here")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns to read, each once."""
        return tuple(one for one in (self.timestamp, self.target, self.value, self.metric) if one is not None)
