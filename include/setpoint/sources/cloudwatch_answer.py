"""What GetMetricData answered, page by page, as columns and as a word on every series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from setpoint.model import Completeness, SeriesStatus, Window
from setpoint.sources.cloudwatch_metric import CloudWatchMetric, dimension_problem
from setpoint.sources.contract import Fetched
from setpoint.sources.frame import long_frame

if TYPE_CHECKING:
    from setpoint.sources.cloudwatch import Call

_STATUS = {
    "Complete": Completeness.COMPLETE,
    "PartialData": Completeness.PARTIAL,
    "InternalError": Completeness.ERROR,
    "Forbidden": Completeness.ERROR,
}
_MOST_MESSAGES = 5
_LONGEST_MESSAGE = 500

Microseconds = npt.NDArray[np.int64]


@dataclass
class Series:
    """One series as received so far. ``status`` is what its latest page said."""

    status: Completeness = Completeness.ERROR
    answered: bool = False
    suspect: bool = False
    """The answer holds what was not asked for, so it is not taken for complete."""
    messages: list[str] = field(default_factory=list)
    times: list[Microseconds] = field(default_factory=list)
    values: list[npt.NDArray[np.float64]] = field(default_factory=list)

    @property
    def points(self) -> int:
        return sum(map(len, self.values))

    @property
    def final_status(self) -> Completeness:
        if self.suspect and self.status is Completeness.COMPLETE:
            return Completeness.PARTIAL
        return self.status

    def note(self, message: str) -> None:
        """Keep a message for people, once, cut to a bounded length."""
        text = message[:_LONGEST_MESSAGE]
        if text not in self.messages and len(self.messages) < _MOST_MESSAGES:
            self.messages.append(text)


class Answer:
    """The answer to one call; pages are added in the order received."""

    def __init__(self, call: Call, metrics: Mapping[str, CloudWatchMetric]) -> None:
        self._window = call.window
        self._first = {name: _first_answered(call.window, config) for name, config in metrics.items()}
        self._asked = {f"q{number}": one for number, one in enumerate(call.series)}
        self.series = {one: Series() for one in call.series}

    def add(self, page: Mapping[str, Any]) -> None:
        """Take one page's results, statuses and messages."""
        for message in page.get("Messages") or ():
            self._note_on_all(f"CloudWatch on the whole call: {_message(message)}")
        for result in page.get("MetricDataResults") or ():
            asked = self._asked.get(result["Id"])
            if asked is None:
                self._note_on_all(f"CloudWatch answered {result['Id']!r}, which was not asked for; it is left out")
            else:
                self._add_result(asked, result)

    def _add_result(self, asked: tuple[str, str], result: Mapping[str, Any]) -> None:
        series = self.series[asked]
        code = result.get("StatusCode", "Complete")
        series.answered = True
        series.status = _STATUS.get(code, Completeness.ERROR)
        if code not in ("Complete", "PartialData"):
            series.note(f"CloudWatch StatusCode {code}")
        for message in result.get("Messages") or ():
            series.note(_message(message))
        stamps, numbers = result.get("Timestamps") or [], result.get("Values") or []
        if len(stamps) != len(numbers):
            series.status = Completeness.ERROR
            series.note(f"{len(stamps)} timestamps came with {len(numbers)} values; none of them is used")
            return
        times = np.fromiter((round(stamp.timestamp() * 1e6) for stamp in stamps), np.int64, len(stamps))
        self._keep(asked, times, np.asarray(numbers, dtype=np.float64))

    def _keep(self, asked: tuple[str, str], times: Microseconds, values: npt.NDArray[np.float64]) -> None:
        series, window = self.series[asked], self._window
        inside = (times >= _microseconds(window.start)) & (times < _microseconds(window.end))
        stray = ~inside & ((times < self._first[asked[0]]) | (times >= _microseconds(window.end)))
        if stray.any():
            series.suspect = True
            series.note(
                f"{stray.sum()} points outside the window asked for ({window.start:%FT%TZ} to {window.end:%FT%TZ}), "
                f"the first at {_moment(times[stray][0]):%FT%TZ}; they are left out"
            )
        series.times.append(times[inside])
        series.values.append(values[inside])

    def _note_on_all(self, message: str) -> None:
        for series in self.series.values():
            series.suspect = True
            series.note(message)


def assemble(metrics: Mapping[str, CloudWatchMetric], targets: Sequence[str], answers: Iterable[Answer]) -> Fetched:
    """One long frame and one status per target and metric, whatever the calls were."""
    received: dict[tuple[str, str], Series] = {}
    for answer in answers:
        received.update(answer.series)
    asked = [(metric, target) for target in dict.fromkeys(targets) for metric in metrics]
    series = {one: received.get(one) or _unasked(one[1]) for one in asked}
    counts = [one.points for one in series.values()]
    return Fetched(
        frame=long_frame(
            microseconds=_join([part for one in series.values() for part in one.times], np.int64),
            targets=[target for _, target in series],
            metrics=[metric for metric, _ in series],
            counts=counts,
            values=_join([part for one in series.values() for part in one.values], np.float64),
        ),
        series=tuple(_status(one, metrics[metric], metric, target) for (metric, target), one in series.items()),
        units={name: config.unit for name, config in metrics.items()},
    )


def _status(series: Series, config: CloudWatchMetric, metric: str, target: str) -> SeriesStatus:
    if not series.answered and not series.messages:
        series.note("CloudWatch's answer does not mention this series")
    if series.answered and not series.points:
        unit = (
            f"in unit {config.query_unit}; data published in another unit is not answered" if config.query_unit else ""
        )
        series.note(f"no point of {config.namespace} {config.name} in the window {unit}".rstrip())
    return SeriesStatus(
        target=target,
        metric=metric,
        status=series.final_status,
        points=series.points,
        expected_points=config.expected_points,
        period_seconds=config.period_seconds,
        messages=tuple(series.messages),
    )


def _unasked(target: str) -> Series:
    return Series(messages=[f"not asked for: {dimension_problem(target)}"])


def _first_answered(window: Window, config: CloudWatchMetric) -> int:
    """The earliest point CloudWatch may answer with: it rounds a start to the minute for most short periods."""
    minute = 60_000_000
    start = _microseconds(window.start)
    return start // minute * minute if config.period_seconds < 60 else start


def _message(message: Mapping[str, Any]) -> str:
    return ": ".join(str(message[key]) for key in ("Code", "Value") if message.get(key)) or "an empty message"


def _join(parts: list[Any], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC)
