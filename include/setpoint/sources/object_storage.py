"""``object``: metrics out of CSV and Parquet objects, on any storage Airflow reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from setpoint.model import Window
from setpoint.sources.contract import Fetched, MetricConfig, SourceError
from setpoint.sources.object_listing import Found, Listing, TooManyError, found_of
from setpoint.sources.object_metric import LOCAL, ObjectMetric
from setpoint.sources.object_times import times_in
from setpoint.sources.side_by_side import Patience, side_by_side
from setpoint.sources.unpack import BrokenError, TooLargeError

if TYPE_CHECKING:
    from setpoint.sources.collected import Collected
    from setpoint.sources.object_read import Sheet

__all__ = ["ObjectMetric", "ObjectSource"]

_CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the storage's clock, which says when an object was written, may be behind the points' own."""


@dataclass(frozen=True)
class _Read:
    """What came of one object."""

    found: Found
    sheet: Sheet | None = None
    problem: str = ""
    """Why there is nothing, or less than all, of it."""
    unfit: str = ""
    """Why it does not fit what the policy says."""


class ObjectSource:
    """Reads objects.

    :param storage: makes an ``ObjectStoragePath`` (or another path with ``fs`` and ``path``) of a URL, with the
        connection the policy names.
    :param at_once: objects that are read side by side.
    :param seconds: how long one fetch may take.
    """

    connection_type: ClassVar[str | None] = "storage"
    Config: ClassVar[type[MetricConfig]] = ObjectMetric
    permissions: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = (
        "list url by hand: files is to describe the objects' names, they are to be written since the window began, and "
        "columns are to name what holds times, values and the target's name"
    )

    def __init__(self, storage: Callable[[str], Any], *, at_once: int = 8, seconds: float = 120.0) -> None:
        self._storage, self._at_once, self._seconds = storage, at_once, seconds

    def fetch(self, metrics: Mapping[str, ObjectMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target out of the objects that can hold points of its window.

        Those are the objects whose name the policy describes, less those that were written before the window began.
        An object that is gone, altered, cut off, unreadable or too large when it is read is not used, and every series
        that could have been in it is partial. A table that does not fit what the policy says of it (no such column,
        times without a zone) makes an error of the metric, and none of its points are used.

        :raises SourceError: the storage could not be listed or read, or not in time.
        """
        from setpoint.sources.collected import Collected

        collected = Collected(metrics, targets, now)
        if not targets:
            return collected.fetched()
        patience = Patience(self._seconds, f"objects of {', '.join(metrics)}")
        for shared in _sharing(metrics):
            self._collect(shared, collected, now, patience)
        return collected.fetched()

    def _collect(
        self, metrics: Mapping[str, ObjectMetric], collected: Collected, now: datetime, patience: Patience
    ) -> None:
        first = next(iter(metrics.values()))
        window = _covering([config.window_at(now) for config in metrics.values()])
        place = self._place(first.url)
        chosen, left_out = self._choose(place, first, window, now, patience)
        if left_out:
            for metric in metrics:
                collected.partial(metric, f"{left_out} older objects are not read: max_objects is {first.max_objects}")
        if not chosen:
            for metric in metrics:
                collected.remark(metric, f"no object under {first.url} is called {first.files} and new enough")
        columns = sorted({name for config in metrics.values() for name in config.columns.names})

        def read(found: Found) -> _Read:
            return self._read(place, found, first, columns, patience)

        taken = _Taken(collected, metrics)
        for one in side_by_side(chosen, read, at_once=self._at_once, patience=patience, name="objects"):
            taken.take(one)
        taken.finish()

    def _place(self, url: str) -> Any:
        try:
            return self._storage(url)
        except (OSError, ImportError, ValueError) as error:
            raise SourceError(f"{url}: {error}", retryable=False) from error

    def _choose(
        self, place: Any, config: ObjectMetric, window: Window, now: datetime, patience: Patience
    ) -> tuple[list[Found], int]:
        """The objects to read, oldest first, and how many more there would be."""
        patterns = times_in(config.files, window.start - config.span, now + config.span)
        root = str(place.path).rstrip("/")
        try:
            found = Listing(place.fs, patience).find(root, patterns)
            if not found and not place.fs.exists(root if _is_local(config.url) else root.partition("/")[0]):
                raise SourceError(
                    f"{config.url} is not there; put right url, or let the connection see it", retryable=False
                )
        except TooManyError as error:
            raise SourceError(f"{config.url}: {error}; put times into files (%Y-%m-%d)", retryable=False) from error
        except Exception as error:  # each storage has errors of its own; all are told as one of ours
            raise _unreachable(f"listing {config.url}", error) from error
        oldest = window.start - _CLOCKS_DIFFER
        new = [one for one in found if one.changed_at is None or one.changed_at >= oldest]
        new.sort(key=lambda one: (one.changed_at or now, one.name))
        return new[-config.max_objects :], max(0, len(new) - config.max_objects)

    def _read(
        self, place: Any, found: Found, config: ObjectMetric, columns: Sequence[str], patience: Patience
    ) -> _Read:
        from setpoint.sources.columns import ColumnError
        from setpoint.sources.object_read import sheet_of

        patience()
        max_bytes = config.max_megabytes * 1_000_000
        if found.size_bytes > max_bytes:
            return _Read(found, problem=f"it has {found.size_bytes // 1_000_000} MB, max_megabytes is smaller")
        try:
            # An empty object has no range that could be asked for.
            content = place.fs.cat_file(found.path, start=0, end=max_bytes + 1) if found.size_bytes else b""
            after = found_of(place.fs.info(found.path, refresh=True), found.name)
        except FileNotFoundError:
            return _Read(found, problem="it was deleted while it was being read")
        except Exception as error:  # as above
            raise _unreachable(f"reading {found.name} of {config.url}", error) from error
        if after.version != found.version or len(content) != found.size_bytes:
            return _Read(found, problem="it changed while it was being read")
        whole = not _is_local(config.url)
        try:
            sheet = sheet_of(content, found.name, config, columns, appears_whole=whole, go_on=patience)
        except TooLargeError as error:
            return _Read(found, problem=f"it has {error}, which is more than max_megabytes or max rows allow")
        except BrokenError as error:
            return _Read(found, problem=str(error))
        except ColumnError as error:
            return _Read(found, unfit=str(error))
        return _Read(found, sheet, problem=sheet.problem)


class _Taken:
    """Takes the objects' points in, in the order of the objects."""

    def __init__(self, collected: Collected, metrics: Mapping[str, ObjectMetric]) -> None:
        from setpoint.sources.by_name import ByName

        self._collected, self._metrics = collected, metrics
        self._whose = {metric: ByName(config.codes_of(collected.targets)) for metric, config in metrics.items()}
        self._parts: dict[str, list[Any]] = {metric: [] for metric in metrics}

    def take(self, read: _Read) -> None:
        """One object, older than all that are taken after it."""
        from setpoint.sources.columns import ColumnError, points_of

        for metric, config in self._metrics.items():
            if read.problem:
                self._collected.partial(metric, f"{read.found.name}: {read.problem}")
            if read.unfit:
                self._collected.failed(metric, f"{read.found.name} {read.unfit}")
            if read.sheet is None:
                continue
            try:
                points = points_of(read.sheet.table, config.columns, self._whose[metric], config.name)
            except ColumnError as error:
                self._collected.failed(metric, f"{read.found.name}: {error}")
                continue
            if len(points.unreadable):
                self._collected.partial(metric, f"{read.found.name}: {points.why}; left out", points.unreadable)
            self._parts[metric].append(points)

    def finish(self) -> None:
        """Hand the points over."""
        from setpoint.sources.points import newest_only

        for metric, config in self._metrics.items():
            parts = self._parts[metric]
            if config.duplicates == "newest":
                self._collected.add(metric, *newest_only([(one.times, one.codes, one.values) for one in parts]))
                continue
            for one in parts:
                self._collected.add(metric, one.times, one.codes, one.values)


def _sharing(metrics: Mapping[str, ObjectMetric]) -> Iterator[dict[str, ObjectMetric]]:
    """Metrics by the objects they lie in, so that each object is read once."""
    same: dict[Any, dict[str, ObjectMetric]] = {}
    for name, config in metrics.items():
        key = (
            config.url, config.files, config.span, config.read_as(), config.compression, config.delimiter,
            config.max_objects, config.max_megabytes,
        )  # fmt: skip
        same.setdefault(key, {})[name] = config
    yield from same.values()


def _covering(windows: Sequence[Window]) -> Window:
    return Window(start=min(one.start for one in windows), end=max(one.end for one in windows))


def _is_local(url: str) -> bool:
    return urlsplit(url).scheme in LOCAL


def _unreachable(doing: str, error: Exception) -> SourceError:
    if isinstance(error, SourceError):
        return error
    refused = isinstance(error, (PermissionError, ImportError, NotImplementedError))
    todo = (
        "give the connection the right to list and to get these objects"
        if isinstance(error, PermissionError)
        else "put right url, or the connection"
        if refused
        else "it will be tried again"
    )
    return SourceError(f"{doing}: {type(error).__name__}: {error}; {todo}", retryable=not refused)
