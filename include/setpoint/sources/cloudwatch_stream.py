"""``aws.cloudwatch_stream``: CloudWatch metrics that were pushed to S3, for fleets too large to ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from setpoint.model import Window
from setpoint.sources.cloudwatch_sockets import OpenSockets
from setpoint.sources.contract import Fetched, MetricConfig
from setpoint.sources.side_by_side import Patience, side_by_side
from setpoint.sources.stream_metric import StreamMetric
from setpoint.sources.stream_objects import Bucket, Delivered, NotUsedError

if TYPE_CHECKING:
    from setpoint.sources.by_name import ByName
    from setpoint.sources.collected import Collected
    from setpoint.sources.stream_lines import Reader, Rows

__all__ = ["CloudWatchStreamSource", "StreamMetric"]


class CloudWatchStreamSource:
    """Reads what a CloudWatch metric stream delivered.

    :param client: a boto3 ``s3`` client of the connection, in the bucket's region.
    :param at_once: objects that are read side by side.
    :param seconds: how long one fetch may take.
    """

    connection_type: ClassVar[str | None] = "aws"
    service: ClassVar[str] = "s3"
    Config: ClassVar[type[MetricConfig]] = StreamMetric
    permissions: ClassVar[tuple[str, ...]] = ("s3:GetObject", "s3:ListBucket")
    when_empty: ClassVar[str] = (
        "see whether objects still arrive under bucket and prefix, whether the stream's filters let namespace and name "
        "pass, and whether a line there has this dimension, unit, account and region, and no dimension more"
    )

    def __init__(self, client: Any, *, at_once: int = 8, seconds: float = 120.0) -> None:
        self._client, self._at_once, self._seconds = client, at_once, seconds
        self._sockets = OpenSockets.of(client)

    def fetch(self, metrics: Mapping[str, StreamMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target out of the objects that can hold points of its window.

        A minute that was delivered several times counts once. An object that is gone, replaced, cut off or too large
        when it is read is not used, and every series is partial, since any could have been in it. A series of several
        accounts, regions or units is an error: the policy is to say which is meant.

        :raises SourceError: the bucket could not be listed or read, or not in time.
        """
        from setpoint.sources.collected import Collected

        collected = Collected(metrics, targets, now)
        if not targets:
            return collected.fetched()
        patience = Patience(self._seconds, f"the stream's objects of {', '.join(metrics)}")
        try:
            for shared in _sharing(metrics):
                self._collect(shared, collected, now, patience)
        except BaseException:  # an interrupt too: no connection is left behind
            self._sockets.shut()
            raise
        return collected.fetched()

    def _collect(
        self, metrics: Mapping[str, StreamMetric], collected: Collected, now: datetime, patience: Patience
    ) -> None:
        from setpoint.sources.by_name import ByName
        from setpoint.sources.stream_lines import Reader

        first = next(iter(metrics.values()))
        windows = [config.window_at(now) for config in metrics.values()]
        window = Window(start=min(one.start for one in windows), end=max(one.end for one in windows))
        bucket = Bucket(self._client, first.bucket, self.permissions, patience)
        delivered = bucket.delivered(first.prefix, window, now)
        for metric in metrics:
            if not delivered:
                collected.remark(
                    metric, f"no object under s3://{first.bucket}/{first.prefix} since {window.start:%FT%TZ}"
                )
            if (more := len(delivered) - first.max_objects) > 0:
                collected.partial(metric, f"{more} older objects are not read: max_objects is {first.max_objects}")
        whose = {metric: ByName(config.codes_of(collected.targets)) for metric, config in metrics.items()}
        reader = Reader(metrics, {metric: by_name.names for metric, by_name in whose.items()})
        rows: dict[str, list[Rows]] = {metric: [] for metric in metrics}
        read = _reading(bucket, reader, first.max_megabytes, patience)
        chosen = delivered[-first.max_objects :]
        for found, problem in side_by_side(
            chosen, read, at_once=self._at_once, patience=patience, name="stream", end=self._sockets.shut
        ):
            for metric in metrics:
                rows[metric] += found.get(metric, [])
                if problem:
                    collected.partial(metric, problem)
        for metric, config in metrics.items():
            _add(metric, config, rows[metric], whose[metric], collected)


def _reading(bucket: Bucket, reader: Reader, max_megabytes: int, patience: Patience) -> Any:
    """What reads one object: its points, and what is wrong with it."""
    from setpoint.sources.unpack import BrokenError

    def read(one: Delivered) -> tuple[dict[str, list[Rows]], str]:
        try:
            found, bad = reader.read(bucket.content(one, max_megabytes), patience)
        except (NotUsedError, BrokenError) as error:
            return {}, f"{one.key}: {error}"
        return found, f"{one.key}: {bad} of its lines are not as documented; they are left out" if bad else ""

    return read


def _add(metric: str, config: StreamMetric, rows: Sequence[Rows], whose: ByName, collected: Collected) -> None:
    from setpoint.sources.stream_points import by_period, once_each

    if not rows:
        return
    _several_origins(metric, rows, whose, collected)
    points = by_period(once_each(rows), config)
    if len(points.lacking):
        collected.partial(
            metric,
            f"the stream has points without {config.statistic}, which are left out; it carries what its statistics "
            "configuration names for this metric",
            whose.spread(points.lacking)[1],
        )
    own, codes = whose.spread(points.codes)
    collected.add(metric, points.microseconds[own], codes, points.values[own])


def _several_origins(metric: str, rows: Sequence[Rows], whose: ByName, collected: Collected) -> None:
    """Two accounts' metrics of one name are two metrics; so are two regions', and two units'."""
    import numpy as np

    seen: dict[int, set[str]] = {}
    for one in rows:
        kinds, kind = np.unique(one.origins, return_inverse=True)
        for pair in np.unique(one.codes * len(kinds) + kind):
            seen.setdefault(int(pair) // len(kinds), set()).add(str(kinds[int(pair) % len(kinds)]))
    for code, origins in seen.items():
        if len(origins) > 1:
            collected.failed(
                metric,
                f"the stream has it more than once, of account, region and unit {' and '.join(sorted(origins)[:4])}; "
                "say which is meant with account, metric_region or unit",
                whose.spread(np.array([code]))[1],
            )


def _sharing(metrics: Mapping[str, StreamMetric]) -> Iterator[dict[str, StreamMetric]]:
    """Metrics by the objects they lie in, so that each object is read once."""
    same: dict[Any, dict[str, StreamMetric]] = {}
    for name, config in metrics.items():
        key = (config.bucket, config.prefix, config.max_objects, config.max_megabytes)
        same.setdefault(key, {})[name] = config
    yield from same.values()
