"""What GetMetricData answered, page by page, as columns and as a word on every series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from setpoint.model import Completeness, SeriesStatus, Window
from setpoint.sources.cloudwatch_insights import MOST_GROUPS
from setpoint.sources.cloudwatch_metric import CloudWatchMetric, dimension_problem
from setpoint.sources.cloudwatch_queries import Asked, Call
from setpoint.sources.contract import Fetched
from setpoint.sources.frame import long_frame

if TYPE_CHECKING:
    from setpoint.sources.cloudwatch_page import Page, Result

_STATUS = {
    "Complete": Completeness.COMPLETE,
    "PartialData": Completeness.PARTIAL,
    "InternalError": Completeness.ERROR,
    "Forbidden": Completeness.ERROR,
}
_MOST_MESSAGES = 5
_LONGEST_MESSAGE = 500

Codes = npt.NDArray[np.int64]
Microseconds = npt.NDArray[np.int64]


@dataclass
class Series:
    """What was said of one series so far. ``status`` is what its latest page said."""

    status: Completeness = Completeness.ERROR
    answered: bool = False
    suspect: bool = False
    """The answer holds what was not asked for, or lacks something, so it is not taken for complete."""
    messages: list[str] = field(default_factory=list)

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


@dataclass
class Answer:
    """The answer to one call. Pages are added in the order received.

    Each series has a number within the call, and points are columns: series number, time, value.
    """

    call: Call
    asked: list[Asked]
    """What each series is, by its number."""
    series: list[Series]
    codes: Codes
    times: Microseconds
    values: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()
    """What was said of the whole call; each series has it too."""

    @classmethod
    def of(cls, call: Call, pages: Iterable[Page], metrics: Mapping[str, CloudWatchMetric]) -> Answer:
        """The answer that some pages make together."""
        reading = _Reading(call, metrics)
        for page in pages:
            reading.add(page)
        return reading.answer()


class _Reading:
    """An answer as far as it was read."""

    def __init__(self, call: Call, metrics: Mapping[str, CloudWatchMetric]) -> None:
        self._call = call
        asked = {one.metric for one in call.asked.values()}
        self._first_answered = min(_first_answered(call.window, metrics[one]) for one in asked)
        self._asked = [] if call.selected else list(call.asked.values())
        self._series = [Series() for _ in self._asked]
        self._number_of = {} if call.selected else {name: number for number, name in enumerate(call.asked)}
        self._notes: list[str] = []
        self._parts: list[tuple[Codes, Microseconds, npt.NDArray[np.float64]]] = []

    def add(self, page: Page) -> None:
        """Take one page's points, statuses and messages."""
        self._notes += [f"CloudWatch on the whole call: {one}" for one in page.messages]
        seen: set[int] = set()
        numbers = np.fromiter((self._take(one, seen) for one in page.results), np.int64, len(page.results))
        counts = np.fromiter((one.points for one in page.results), np.int64, len(page.results))
        codes = np.repeat(numbers, counts)
        window = self._call.window
        start, end = _microseconds(window.start), _microseconds(window.end)
        stray = (page.times < start) | (page.times >= end)
        if not stray.any() and (numbers >= 0).all():
            self._parts.append((codes, page.times, page.values))
            return
        odd = (codes >= 0) & ((page.times < self._first_answered) | (page.times >= end))
        for number in np.unique(codes[odd]):
            times = page.times[odd & (codes == number)]
            self._series[number].suspect = True
            self._series[number].note(
                f"{len(times)} points outside the window asked for ({window.start:%FT%TZ} to {window.end:%FT%TZ}), "
                f"the first at {_moment(times[0]):%FT%TZ}; they are left out"
            )
        kept = ~stray & (codes >= 0)
        self._parts.append((codes[kept], page.times[kept], page.values[kept]))

    def answer(self) -> Answer:
        """All that was read."""
        for series in self._series:
            for note in self._notes:
                series.suspect = True
                series.note(note)
        codes, times, values = (
            tuple(np.concatenate(parts) for parts in zip(*self._parts, strict=True))
            if self._parts
            else (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        )
        return Answer(self._call, self._asked, self._series, codes, times, values, tuple(self._notes))

    def _take(self, result: Result, seen: set[int]) -> int:
        """Take what a result says of its series, and return the series' number; -1 when nobody asked for it."""
        number = self._number(result)
        if number < 0:
            return -1
        series = self._series[number]
        series.answered = True
        series.status = _STATUS.get(result.code, Completeness.ERROR)
        if result.code not in ("Complete", "PartialData"):
            series.note(f"CloudWatch StatusCode {result.code}")
        for message in result.messages:
            series.note(message)
        if result.unpaired is not None:
            series.status = Completeness.ERROR
            series.note("{} timestamps came with {} values; none of them is used".format(*result.unpaired))
        if number in seen:
            series.suspect = True
            series.note("the answer holds this series more than once: several groups or accounts have this name")
        seen.add(number)
        return number

    def _number(self, result: Result) -> int:
        if not self._call.selected:
            number = self._number_of.get(result.id, -1)
            if number < 0:
                self._notes.append(f"CloudWatch answered {result.id!r}, which was not asked for; it is left out")
            return number
        if result.label not in self._number_of:
            # A group of a selected metric is found by its name; whether anybody asked for it is seen in the end.
            self._number_of[result.label] = len(self._asked)
            self._asked.append(Asked(self._call.asked["s0"].metric, result.label))
            self._series.append(Series())
        return self._number_of[result.label]


def assemble(metrics: Mapping[str, CloudWatchMetric], targets: Sequence[str], answers: Iterable[Answer]) -> Fetched:
    """One long frame and one status per target and metric, whatever the calls were."""
    from setpoint.sources.cloudwatch_operands import without_incomplete

    wanted = [(metric, target) for target in dict.fromkeys(targets) for metric in metrics]
    code_of = {one: code for code, one in enumerate(wanted)}
    series: list[Series | None] = [None] * len(wanted)
    parts: list[tuple[Codes, Microseconds, npt.NDArray[np.float64]]] = []
    for answer in map(without_incomplete, answers):
        if answer.call.selected:
            parts += _selected(answer, metrics, code_of, series)
            _fill_unselected(answer, metrics, series, wanted)
            continue
        places = np.full(len(answer.asked) + 1, -1, np.int64)
        for number, asked in enumerate(answer.asked):
            code = code_of.get((asked.metric, str(asked.target)), -1) if asked.operand is None else -1
            if code >= 0:
                places[number], series[code] = code, answer.series[number]
        codes = places[answer.codes]
        kept = codes >= 0
        parts.append((codes, answer.times, answer.values) if kept.all() else
                     (codes[kept], answer.times[kept], answer.values[kept]))  # fmt: skip
    codes, times, values = _in_order(parts)
    counts = np.bincount(codes, minlength=len(wanted))
    frame = long_frame(
        microseconds=times,
        targets=[target for _, target in wanted],
        metrics=[metric for metric, _ in wanted],
        counts=counts.tolist(),
        values=values,
    )
    return Fetched(
        frame=frame,
        series=tuple(_statuses(metrics, wanted, series, counts.tolist())),
        units={name: config.unit for name, config in metrics.items()},
    )


def _selected(
    answer: Answer,
    metrics: Mapping[str, CloudWatchMetric],
    code_of: Mapping[tuple[str, str], int],
    series: list[Series | None],
) -> Iterator[tuple[Codes, Microseconds, npt.NDArray[np.float64]]]:
    """The groups that are targets; one that several targets share comes once for each."""
    number_of = {str(asked.target): number for number, asked in enumerate(answer.asked)}
    for (metric, target), code in code_of.items():
        if metric != answer.call.asked["s0"].metric:
            continue
        number = number_of.get(metrics[metric].name_of(target))
        if number is not None:
            own = answer.codes == number
            series[code] = answer.series[number]
            yield np.full(own.sum(), code, np.int64), answer.times[own], answer.values[own]


def _fill_unselected(
    answer: Answer,
    metrics: Mapping[str, CloudWatchMetric],
    series: list[Series | None],
    wanted: Sequence[tuple[str, str]],
) -> None:
    """Say of the targets that are no group of a selected metric's answer why that may be."""
    metric = answer.call.asked["s0"].metric
    full = len(answer.asked) >= MOST_GROUPS
    failed = [one for one in answer.series if one.status is Completeness.ERROR or one.suspect]
    for code, (name, target) in enumerate(wanted):
        if name != metric or series[code] is not None:
            continue
        called = metrics[name].name_of(target)
        found = Series(Completeness.COMPLETE, answered=True)
        if full:
            found.status = Completeness.ERROR
            found.note(
                f"the query answers with {MOST_GROUPS} groups at most, and {called!r} is not among them; narrow it"
            )
        else:
            found.note(f"the query's answer has no group {called!r}")
        for message in [*answer.notes, *(failed[0].messages if failed else ())]:
            found.note(message)
        found.suspect = bool(failed or answer.notes)
        series[code] = found


def _in_order(
    parts: Sequence[tuple[Codes, Microseconds, npt.NDArray[np.float64]]],
) -> tuple[Codes, Microseconds, npt.NDArray[np.float64]]:
    """The points of all calls, series by series, each series in the order received."""
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    codes, times, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if len(codes) < 2 or (codes[1:] >= codes[:-1]).all():
        return codes, times, values
    order = np.argsort(codes, kind="stable")
    return codes[order], times[order], values[order]


def _statuses(
    metrics: Mapping[str, CloudWatchMetric],
    wanted: Sequence[tuple[str, str]],
    series: Sequence[Series | None],
    counts: Sequence[int],
) -> Iterator[SeriesStatus]:
    # Reckoned once a metric: there may be ten thousand series of it.
    expected = {name: (config.expected_points, config.period_seconds) for name, config in metrics.items()}
    for (metric, target), found, points in zip(wanted, series, counts, strict=True):
        one = found or _unasked(metrics[metric].name_of(target))
        if not one.answered or not points:
            _explain(one, metrics[metric], points)
        expected_points, period_seconds = expected[metric]
        yield SeriesStatus(
            target=target,
            metric=metric,
            status=one.final_status,
            points=points,
            expected_points=expected_points,
            period_seconds=period_seconds,
            messages=tuple(one.messages),
        )


def _explain(series: Series, config: CloudWatchMetric, points: int) -> None:
    if not series.answered and not series.messages:
        series.note("CloudWatch's answer does not mention this series")
    if series.answered and not points:
        unit = (
            f"in unit {config.query_unit}; data published in another unit is not answered" if config.query_unit else ""
        )
        series.note(f"no point of {config.what} in the window {unit}".rstrip())


def _unasked(called: str) -> Series:
    problem = dimension_problem(called)
    return Series(messages=[f"not asked for: {problem}"] if problem else [])


def _first_answered(window: Window, config: CloudWatchMetric) -> int:
    """The earliest point CloudWatch may answer with: it rounds a start to the minute for most short periods."""
    minute = 60_000_000
    start = _microseconds(window.start)
    return start // minute * minute if config.period_seconds < 60 else start


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC)
