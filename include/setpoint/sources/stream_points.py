"""A stream's minutes into points of a period: what came twice counts once, and statistics are put together exactly.

Imported inside functions: it needs numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from setpoint.sources.stream_lines import Rows
from setpoint.sources.stream_metric import ALWAYS_STREAMED, StreamMetric


@dataclass(frozen=True)
class Minutes:
    """A metric's points, each target and minute once, by target and then by time."""

    milliseconds: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    parts: dict[str, npt.NDArray[np.float64]]


def once_each(rows: Sequence[Rows]) -> Minutes:
    """Of several deliveries of one minute of one target, the one made of the most samples; then the last one.

    Firehose delivers at least once, and CloudWatch streams a minute again when samples of it come late: the later word
    has more of them.

    :param rows: in the order the objects were written.
    """
    keys = list(rows[0].parts) if rows else ["count"]
    times = _joined([one.milliseconds for one in rows], np.int64)
    codes = _joined([one.codes for one in rows], np.int64)
    parts = {key: _joined([one.parts[key] for one in rows], np.float64) for key in keys}
    samples = np.nan_to_num(parts["count"], nan=-1.0)
    order = np.lexsort((np.arange(len(times)), samples, times, codes))
    times, codes = times[order], codes[order]
    last = np.ones(len(times), bool)
    last[:-1] = (np.diff(times) != 0) | (np.diff(codes) != 0)
    return Minutes(times[last], codes[last], {key: part[order][last] for key, part in parts.items()})


@dataclass(frozen=True)
class Points:
    """A metric's points, one a period."""

    microseconds: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    lacking: npt.NDArray[np.int64]
    """The targets' codes of periods for which the stream does not carry the statistic."""


def by_period(minutes: Minutes, config: StreamMetric) -> Points:
    """Put minutes together to periods.

    Average is the sum of the sums by the sum of the counts; Sum, SampleCount, Minimum and Maximum are those of the
    minutes. Any other statistic is taken as it is, a minute's for a period of a minute. A period without a sample has
    no average, and no point.
    """
    period = config.period_seconds * 1000
    starts = minutes.milliseconds // period * period
    first = np.ones(len(starts), bool)
    first[1:] = (np.diff(starts) != 0) | (np.diff(minutes.codes) != 0)
    at = np.flatnonzero(first)
    values = _values(minutes, config, at)
    told = ~np.isnan(values)
    return Points(starts[at][told] * 1000, minutes.codes[at][told], values[told], minutes.codes[at][~told])


def _values(minutes: Minutes, config: StreamMetric, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    if not len(at):
        return np.empty(0, np.float64)
    if config.statistic not in ALWAYS_STREAMED:
        several = np.diff(np.append(at, len(minutes.codes))) > 1
        return np.where(several, np.nan, minutes.parts[config.statistic][at])
    together = {"min": np.minimum, "max": np.maximum}
    made = {key: together.get(key, np.add).reduceat(minutes.parts[key], at) for key in config.streamed}
    if config.statistic != "Average":
        return made[config.streamed[0]]
    sampled = made["count"] > 0
    return np.where(sampled, made["sum"] / np.where(sampled, made["count"], 1.0), np.nan)


def _joined(parts: Sequence[npt.NDArray[np.generic]], dtype: type[np.generic]) -> npt.NDArray:  # type: ignore[type-arg]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
