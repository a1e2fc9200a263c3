"""``source: http_json`` in a policy: what to ask an endpoint for, and where in its answer the points are."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from setpoint.jsonpath import PathError, compiled
from setpoint.policy.fields import refuse
from setpoint.sources.contract import ConnectionName, MetricConfig
from setpoint.sources.target_names import MARK, TargetNames
from setpoint.sources.windows import whole_seconds, whole_window

PLACEHOLDERS = ("{target}", "{start}", "{end}", "{start_s}", "{end_s}", "{start_ms}", "{end_ms}", "{period_s}")
"""What may stand in ``params``: the target; the window's ends, in RFC 3339 and in numbers; the period."""
_EVERY = re.compile(r"(\.\*|\[\s*\*\s*\])$")
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


def _checked_path(path: str) -> str:
    try:
        compiled(path)
    except PathError as error:
        raise refuse(str(error)) from None
    return path


def _path_to_all(path: str) -> str:
    if every := _EVERY.search(path):
        raise refuse(f"leads to the list itself, not to each of its entries: {path[: every.start()]}")
    return _checked_path(path)


JsonPath = Annotated[str, AfterValidator(_checked_path)]
PathToAll = Annotated[str, AfterValidator(_path_to_all)]
_ParamName = Annotated[str, Field(min_length=1, max_length=128)]
_ParamValue = Annotated[str, Field(max_length=2_000)]


class HttpJsonMetric(MetricConfig, TargetNames):
    """``source: http_json``: one metric out of what a JSON endpoint answers to GET."""

    source: Literal["http_json"]
    unit: str = Field(
        min_length=1, max_length=64, description="the unit the endpoint answers in; JSON says none, so the policy does"
    )
    connection: ConnectionName = Field(description="the Airflow connection (type http) of the server")
    path: str = Field(
        max_length=2_000,
        description="the endpoint, below the connection's host; {target} in it asks for each target on its own",
    )
    params: dict[_ParamName, _ParamValue] = Field(
        default_factory=dict,
        max_length=30,
        description=f"the query's parameters; in a value may stand {', '.join(PLACEHOLDERS)}",
    )
    series: PathToAll | None = Field(
        default=None,
        description="JSONPath to a list with one entry a target, or to an object with one member a target; the paths "
        "below then begin in such an entry",
    )
    points: PathToAll | None = Field(
        default=None,
        description="JSONPath to the list of points; timestamp and value then begin in a point. Without it, timestamp "
        "and value lead to two lists of the same length",
    )
    timestamp: PathToAll = Field(description="JSONPath to a point's time")
    value: PathToAll = Field(description="JSONPath to a point's value")
    target: PathToAll | None = Field(
        default=None,
        description="JSONPath to whose it is: in an entry of series, else in a point. Left out where the members of "
        "series are named after the targets, or each is asked for on its own",
    )
    time_unit: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None,
        description="what a time that is a number counts since 1970, UTC; left out, times are RFC 3339 texts",
    )
    time_zone: str | None = Field(
        default=None,
        description="the zone of times written without one, such as Europe/Berlin; such times are refused without it",
    )
    stamped: Literal["start", "end"] = Field(
        default="start", description="whether a point's time is the start of its period or the end"
    )
    next: JsonPath | None = Field(
        default=None,
        description="JSONPath to where the next page is: its URL on the same server, or with next_param, a text",
    )
    next_param: _ParamName | None = Field(
        default=None, description="the query's parameter that takes the text next leads to"
    )
    partial: JsonPath | None = Field(
        default=None,
        description="JSONPath to where the answer says that it is not complete: true, a number that is not 0, a text, "
        "a list or an object that is not empty",
    )
    unit_at: JsonPath | None = Field(
        default=None, description="JSONPath to where the answer says its unit; another one than unit is an error"
    )

    @property
    def one_by_one(self) -> bool:
        """Whether there is a request for each target."""
        return MARK in self.path or any(MARK in value for value in self.params.values())

    @field_validator("period")
    @classmethod
    def _period_whole(cls, period: timedelta) -> timedelta:
        return whole_seconds(period)

    @field_validator("window")
    @classmethod
    def _window_whole(cls, window: timedelta, info: ValidationInfo) -> timedelta:
        return whole_window(window, info)

    @field_validator("path")
    @classmethod
    def _path_plain(cls, path: str) -> str:
        if "://" in path or path.startswith("//"):
            raise refuse("is a path on the server that the connection names, not a whole URL")
        if re.search(r"[?#\\\s]", path):
            raise refuse("is a path only; what would follow a question mark goes into params")
        if any(part in (".", "..") for part in path.split("/")):
            raise refuse("is written without . and ..")
        if any(brace != MARK for brace in _BRACES.findall(path)):
            raise refuse("of what stands in braces only {target} can be part of a path")
        return path

    @field_validator("params")
    @classmethod
    def _placeholders_known(cls, params: dict[str, str]) -> dict[str, str]:
        for name, value in params.items():
            if unknown := [brace for brace in _BRACES.findall(value) if brace not in PLACEHOLDERS]:
                raise refuse(f"{name}: {unknown[0]} is not known; there are {', '.join(PLACEHOLDERS)}")
        return params

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
    def _fits_together(self) -> Self:
        if self.time_unit is not None and self.time_zone is not None:
            raise refuse("time_unit counts in UTC, so there is no time_zone beside it; keep the one that is meant")
        if self.target is None and self.series is None and not self.one_by_one:
            raise refuse(
                "nothing says whose a point is: set target, the path to it, or series; or ask for each target on its "
                "own with {target} in path or params"
            )
        if self.next_param is not None and self.next is None:
            raise refuse("next_param takes what next leads to; set next")
        if self.next_param is not None and self.next_param in self.params:
            raise refuse(f"next_param {self.next_param} is among params already; each page would have it twice")
        return self
