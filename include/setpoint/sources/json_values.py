"""Times and numbers as JSON documents have them, read exactly or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from setpoint.sources.http_json_metric import HttpJsonMetric

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LAST = 253_402_300_800  # the year 10000, in seconds since 1970


class TimeUnknownError(Exception):
    """A time that cannot be told.

    :param of_all: whether that is a matter of how all times are written, not of this one.
    """

    def __init__(self, message: str, *, of_all: bool = False) -> None:
        super().__init__(message)
        self.of_all = of_all


@dataclass(frozen=True)
class Clock:
    """How a metric's times are written."""

    unit: str | None
    zone: ZoneInfo | None
    back_microseconds: int
    """From the time written to the start of the period."""

    @classmethod
    def of(cls, config: HttpJsonMetric) -> Clock:
        """The clock of a metric."""
        back = config.period_seconds * 1_000_000 if config.stamped == "end" else 0
        return cls(config.time_unit, ZoneInfo(config.time_zone) if config.time_zone else None, back)

    def microseconds(self, written: Any) -> int:
        """The start of a point's period, in microseconds since the Unix epoch.

        :raises TimeUnknownError: it cannot be told.
        """
        found = self._counted(written) if self.unit is not None else self._told(written)
        return found - self.back_microseconds

    def _counted(self, written: Any) -> int:
        if isinstance(written, str) and _NUMBER.fullmatch(written):
            written = int(written) if written.isdigit() else float(written)
        if isinstance(written, bool) or not isinstance(written, int | float):
            raise TimeUnknownError(f"no number of {self.unit} since 1970")
        per_second = _PER_SECOND[self.unit or "s"]
        if not 0 <= written < _LAST * per_second:  # false for NaN, too
            raise TimeUnknownError(f"no number of {self.unit} since 1970 that any year has; is time_unit right?")
        # Whole numbers stay exact; a float of seconds has microseconds to spare until the year 2242.
        if isinstance(written, int):
            return written * 1_000_000 // per_second
        return round(written * (1_000_000 / per_second))

    def _told(self, written: Any) -> int:
        if isinstance(written, int | float) and not isinstance(written, bool):
            raise TimeUnknownError("times are numbers; set time_unit to what they count", of_all=True)
        match = _RFC3339.fullmatch(written) if isinstance(written, str) else None
        if match is None:
            raise TimeUnknownError("no time as RFC 3339 writes it (2026-01-31T23:59:59Z)")
        try:
            found = datetime.fromisoformat(match[0].upper())
        except ValueError as error:
            raise TimeUnknownError(str(error)) from error
        if match["zone"] is None:
            found = self._in_zone(found)
        return _exact(found)

    def _in_zone(self, found: datetime) -> datetime:
        if self.zone is None:
            text = "times have no zone, so nobody can tell when they were; set time_zone to the one that is meant"
            raise TimeUnknownError(text, of_all=True)
        early, late = (found.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if early.utcoffset() != late.utcoffset():
            raise TimeUnknownError(f"there are two of it, or none, when clocks change in {self.zone.key}")
        return early


def number(written: Any) -> float | None:
    """A JSON value as a number: NaN for ``null``, ``None`` for what is no number. A text may hold one.

    Infinite is what is too large for a float; the gate refuses it.
    """
    if written is None:
        return float("nan")
    if isinstance(written, bool):
        return None
    if isinstance(written, str):
        return float(written) if _NUMBER.fullmatch(written) else None
    if not isinstance(written, int | float):
        return None
    try:
        return float(written)
    except OverflowError:
        return float("inf") if written > 0 else float("-inf")


def moment_text(microseconds: int) -> str:
    """A moment, for people."""
    return f"{datetime.fromtimestamp(microseconds // 1_000_000, tz=UTC):%FT%TZ}"


def _exact(moment: datetime) -> int:
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
