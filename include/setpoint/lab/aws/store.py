"""An indexed store of metric data: appending is cheap, reading a window is a binary search."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HIGH_RESOLUTION = 1
STANDARD_RESOLUTION = 60
HIGH_RESOLUTION_KEPT_SECONDS = 3 * 3600
"""CloudWatch keeps points below one minute for three hours.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention"""
POINTS_KEPT = 200_000
"""Per series; the oldest half goes when there are more."""


@dataclass(frozen=True)
class MetricKey:
    """What makes a metric one of its own: namespace, name and the set of dimensions (sorted pairs)."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Iterable[tuple[str, str]]) -> "MetricKey":
        """Build a key from dimensions in any order."""
        return cls(namespace, name, tuple(sorted(dimensions)))

    def dimension(self, name: str) -> str | None:
        """Return the value of a dimension, or None."""
        return dict(self.dimensions).get(name)


@dataclass(frozen=True)
class Sample:
    """One published datum: a value that counts `count` times, or a set of statistics (`minimum` < `maximum`)."""

    epoch_seconds: float
    count: float
    total: float
    minimum: float
    maximum: float
    unit: str | None = None

    @classmethod
    def of_value(cls, epoch_seconds: float, value: float, count: float = 1.0, unit: str | None = None) -> "Sample":
        """Build a sample from a plain value."""
        return cls(epoch_seconds, count, value * count, value, value, unit)


@dataclass(frozen=True)
class Columns:
    """Samples of one series as arrays of the same length, ordered by time."""

    times: Floats
    counts: Floats
    totals: Floats
    minima: Floats
    maxima: Floats

    def between(self, start: float, end: float) -> "Columns":
        """Return the samples with `start <= time < end`."""
        low, high = np.searchsorted(self.times, [start, end], side="left")
        cut = slice(int(low), int(high))
        return Columns(self.times[cut], self.counts[cut], self.totals[cut], self.minima[cut], self.maxima[cut])


@dataclass
class _Series:
    rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    units: set[str] = field(default_factory=set)
    columns: Columns | None = None

    def append(self, sample: Sample) -> None:
        self.rows.append((sample.epoch_seconds, sample.count, sample.total, sample.minimum, sample.maximum))
        if sample.unit is not None:
            self.units.add(sample.unit)
        if len(self.rows) > POINTS_KEPT:
            del self.rows[: POINTS_KEPT // 2]
        self.columns = None

    def as_columns(self) -> Columns:
        if self.columns is None:
            table = np.asarray(self.rows, dtype=np.float64).reshape(-1, 5)
            table = table[np.argsort(table[:, 0], kind="stable")]
            self.columns = Columns(*(np.ascontiguousarray(table[:, column]) for column in range(5)))
        return self.columns


class MetricStore:
    """All metrics of one account and region. Not locked: the laboratory's lock guards it."""

    def __init__(self) -> None:
        self._series: dict[MetricKey, _Series] = {}

    def put(self, key: MetricKey, samples: Iterable[Sample], resolution: int = STANDARD_RESOLUTION) -> None:
        """Add samples to a metric; at standard resolution their time is that of their minute."""
        series = self._series.setdefault(key, _Series())
        for sample in samples:
            if resolution == STANDARD_RESOLUTION:
                sample = Sample(
                    sample.epoch_seconds // 60 * 60,
                    sample.count,
                    sample.total,
                    sample.minimum,
                    sample.maximum,
                    sample.unit,
                )
            series.append(sample)

    def read(self, key: MetricKey, start: float, end: float) -> Columns:
        """Return the samples of a metric with `start <= time < end`; none for a metric that is unknown."""
        series = self._series.get(key)
        if series is None:
            return Columns(*(np.empty(0) for _ in range(5)))
        return series.as_columns().between(start, end)

    def has_unit(self, key: MetricKey, unit: str) -> bool:
        """Tell whether the metric was ever published with that unit."""
        series = self._series.get(key)
        return series is not None and unit in series.units

    def metrics(self) -> Iterator[MetricKey]:
        """Yield every metric that was ever published, in order of first appearance."""
        yield from list(self._series)
