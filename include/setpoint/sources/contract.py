"""The contract of a metric source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

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


ConnectionName = Annotated[str, Field(min_length=1, max_length=250)]


class AwsMetricConfig(MetricConfig):
    """A metric that is read from AWS: another account or region than the targets' may be named."""

    connection: ConnectionName | None = Field(
        default=None, description="the Airflow connection to read it with; that of the targets when left out"
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="the region to read it in; that of the targets when left out, or the connection's own "
        "where a connection is named",
    )


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

    ``Config`` is the policy section; ``permissions`` are the least privileges (IAM actions) it needs; ``when_empty``
    tells people what to look at when a series has no points, in this source's own keys and places. Built with
    the client of the connection the policy names, never with ambient credentials: ``connection_type`` names what makes
    that client of an Airflow connection (a file of ``setpoint_airflow.connections``: ``aws``, ``http``, ``sql``,
    ``storage``); with ``None`` the source is built with nothing. For ``aws`` the class also has ``service``, the AWS
    service whose client it takes: ``CloudWatchSource(client)``.

    Which connection is asked is said by ``connection`` in a metric's section, where ``Config`` has such a key.
    """

    connection_type: ClassVar[str | None]
    Config: ClassVar[type[MetricConfig]]
    permissions: ClassVar[tuple[str, ...]]
    when_empty: ClassVar[str]

    def fetch(self, metrics: Mapping[str, Any], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric (name to ``Config``) of every target, each over its own ``window_at(now)``.

        All metrics given are of one connection and region. A fetch ends by itself: each thing it waits for has a time
        limit. One that is interrupted (an exception raised in its thread while it waits, as Airflow does at a task's
        time limit) ends promptly, and leaves no thread and no open connection behind.

        :raises SourceError: the source could not answer at all.
        """
        ...
