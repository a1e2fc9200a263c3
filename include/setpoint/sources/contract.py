"""The contract of a metric source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field

from setpoint.model import SeriesStatus, Window
from setpoint.model.base import Value
from setpoint.policy.fields import Duration

if TYPE_CHECKING:
    import pandas as pd


class MetricConfig(Value):
    """What every metric of a policy says, whatever its source. A source's ``Config`` adds its own keys."""

    source: str
    period: Duration = Field(description="length of one point's period")
    window: Duration = Field(description="how far back to look; a whole number of periods")
    settle: Duration = Field(
        default=timedelta(0), description="leave out points younger than this: the newest ones still change"
    )
    unit: str = Field(default="", max_length=64, description="the unit, for people: percent, ms, requests/s")

    @property
    def period_seconds(self) -> int:
        return int(self.period.total_seconds())

    @property
    def expected_points(self) -> int:
        """Points one complete series of this metric has."""
        return self.window // self.period

    def window_at(self, now: datetime) -> Window:
        """The window to ask for at a moment: whole periods only, the settle offset left out.

        The end is the last period boundary (counted from the Unix epoch, as CloudWatch counts) that is not younger than
        the settle offset, so every period asked for is over.
        """
        seconds = self.period_seconds
        newest = (now - self.settle).timestamp()
        end = datetime.fromtimestamp(newest // seconds * seconds, tz=now.tzinfo)
        return Window(start=end - self.expected_points * self.period, end=end)


@dataclass(frozen=True)
class Fetched:
    """What a source answered: the long frame (see ``FRAME_COLUMNS``) and its own word on every series asked for.

    Every pair of target and metric asked for has exactly one status, also when its series is empty.
    """

    frame: pd.DataFrame
    series: tuple[SeriesStatus, ...]
    units: Mapping[str, str]


class SourceError(Exception):
    """A source could not answer at all. The message says what was asked, what came back, and what to do.

    :param retryable: whether the same call may succeed later (throttling, a time-out, a server's error).
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        return (_source_error, (str(self), self.retryable))


def _source_error(message: str, retryable: bool) -> SourceError:
    return SourceError(message, retryable=retryable)


class Source(Protocol):
    """Fetches many targets and metrics in as few calls as the API allows.

    ``Config`` is the policy section; ``permissions`` are the least privileges (IAM actions) it needs. Built with
    the client of the connection the policy names, never with ambient credentials: ``service`` is the AWS service whose
    client it takes (``CloudWatchSource(client)``); with ``None`` it is built with nothing.
    """

    service: ClassVar[str | None]
    Config: ClassVar[type[MetricConfig]]
    permissions: ClassVar[tuple[str, ...]]

    def fetch(self, metrics: Mapping[str, Any], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric (name to ``Config``) of every target, each over its own ``window_at(now)``.

        :raises SourceError: the source could not answer at all.
        """
        ...
