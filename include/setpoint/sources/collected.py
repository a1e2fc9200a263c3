"""What a source that reads tables collects: points by metric and target, and a word on every series.

Imported inside functions: it needs numpy, and the frame pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.contract import Fetched, MetricConfig
from setpoint.sources.frame import long_frame

Microseconds = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_MOST_MESSAGES = 5
_LONGEST_MESSAGE = 500
_WORSE = {Completeness.COMPLETE: 0, Completeness.PARTIAL: 1, Completeness.ERROR: 2}


@dataclass
class Word:
    """What is said of one metric, or of one of its series: the worst status so far, and why."""

    status: Completeness = Completeness.COMPLETE
    messages: list[str] = field(default_factory=list)

    def add(self, message: str, status: Completeness) -> None:
        """Keep a message, once and cut to a bounded length, and the worse status."""
        if _WORSE[status] > _WORSE[self.status]:
            self.status = status
        text = message[:_LONGEST_MESSAGE]
        if text not in self.messages and len(self.messages) < _MOST_MESSAGES:
            self.messages.append(text)


@dataclass
class _Metric:
    config: MetricConfig
    start: int
    end: int
    word: Word = field(default_factory=Word)
    of_target: dict[int, Word] = field(default_factory=dict)
    times: list[Microseconds] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)


class Collected:
    """Points of several metrics of a fleet, in the order they came.

    :param metrics: the metrics asked for, each with its ``Config``.
    :param targets: the fleet; a target's *code* is its place in :attr:`targets`.
    :param now: the moment the windows are reckoned from.
    """

    def __init__(self, metrics: Mapping[str, MetricConfig], targets: Sequence[str], now: datetime) -> None:
        self.targets = tuple(dict.fromkeys(targets))
        self._metrics: dict[str, _Metric] = {}
        for name, config in metrics.items():
            window = config.window_at(now)
            self._metrics[name] = _Metric(config, as_microseconds(window.start), as_microseconds(window.end))

    def add(self, metric: str, times: Microseconds, codes: Codes, values: Values) -> None:
        """Keep those points that lie in the metric's window.

        :param times: in microseconds since the Unix epoch (UTC).
        :param codes: each point's target, by its code.
        :param values: ``NaN`` where the source has a point without a value; it is kept, for the gate to judge.
        """
        of = self._metrics[metric]
        inside = (times >= of.start) & (times < of.end)
        of.times.append(times[inside])
        of.codes.append(codes[inside])
        of.values.append(values[inside])

    def partial(self, metric: str, message: str, codes: Codes | None = None) -> None:
        """Some of a metric is missing.

        :param codes: the targets concerned, by their codes; all of them when it is left out.
        """
        self._say(metric, message, Completeness.PARTIAL, codes)

    def failed(self, metric: str, message: str, codes: Codes | None = None) -> None:
        """A metric, or some targets' series of it, cannot be answered; points it already has are not used."""
        self._say(metric, message, Completeness.ERROR, codes)

    def remark(self, metric: str, message: str, codes: Codes | None = None) -> None:
        """Something worth knowing about a metric, or some targets' series of it; nothing is missing for it."""
        self._say(metric, message, Completeness.COMPLETE, codes)

    def _say(self, metric: str, message: str, status: Completeness, codes: Codes | None) -> None:
        of = self._metrics[metric]
        if codes is None:
            of.word.add(message, status)
            return
        for code in np.unique(codes):
            of.of_target.setdefault(int(code), Word()).add(message, status)

    def fetched(self) -> Fetched:
        """One long frame, target by target within a metric, points in the order they came, and one status a series."""
        parts = [self._one(name) for name in self._metrics]
        names, targets = list(self._metrics), self.targets
        return Fetched(
            frame=long_frame(
                microseconds=_join([times for times, _, _ in parts], np.int64),
                targets=[target for _ in names for target in targets],
                metrics=[name for name in names for _ in targets],
                counts=[int(count) for _, _, counts in parts for count in counts],
                values=_join([values for _, values, _ in parts], np.float64),
            ),
            series=tuple(
                self._status(name, code, int(counts[code]))
                for name, (_, _, counts) in zip(names, parts, strict=True)
                for code in range(len(targets))
            ),
            units={name: of.config.unit for name, of in self._metrics.items()},
        )

    def _one(self, metric: str) -> tuple[Microseconds, Values, npt.NDArray[np.int64]]:
        """A metric's points laid target after target, and how many each target has."""
        of = self._metrics[metric]
        codes = _join(of.codes, np.int64)
        times, values = _join(of.times, np.int64), _join(of.values, np.float64)
        lost = [code for code, word in of.of_target.items() if word.status is Completeness.ERROR]
        used = np.zeros(len(codes), bool) if of.word.status is Completeness.ERROR else ~np.isin(codes, lost)
        order = np.argsort(codes[used], kind="stable")
        counts = np.bincount(codes[used], minlength=len(self.targets)).astype(np.int64)
        return times[used][order], values[used][order], counts

    def _status(self, metric: str, code: int, points: int) -> SeriesStatus:
        of = self._metrics[metric]
        both = Word(of.word.status, list(of.word.messages))
        if own := of.of_target.get(code):
            for message in own.messages:
                both.add(message, own.status)
        if not points and not both.messages:
            both.add("no point of this series in the window", Completeness.COMPLETE)
        return SeriesStatus(
            target=self.targets[code],
            metric=metric,
            status=both.status,
            points=points,
            expected_points=of.config.expected_points,
            period_seconds=of.config.period_seconds,
            messages=tuple(both.messages),
        )


def as_microseconds(moment: datetime) -> int:
    """A moment in microseconds since the Unix epoch."""
    return round(moment.timestamp() * 1e6)


def _join(parts: Sequence[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)
