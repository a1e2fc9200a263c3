"""What a JSON endpoint answered, read by the paths of the policy. Imported inside functions: it needs numpy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from setpoint.jsonpath import values_at
from setpoint.sources.collected import Collected
from setpoint.sources.http_messages import Reply
from setpoint.sources.json_values import Clock, TimeUnknownError, moment_text, number

if TYPE_CHECKING:
    from setpoint.sources.http_json import Question

_NOTHING = object()


class ShapeError(Exception):
    """The answer is not of the shape the policy describes; the message says where."""


class Answer:
    """The answer to one question; pages are added in the order received."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._config = question.config
        self._clock = Clock.of(self._config)
        self._times: list[int] = []
        self._codes: list[int] = []
        self._values: list[float] = []
        self._failure = ""
        self._partial: dict[str, None] = {}
        self._no_times: list[str] = []
        self._no_numbers: list[str] = []

    @property
    def readable(self) -> bool:
        """Whether all pages so far could be read."""
        return not self._failure

    def failed(self, why: str) -> None:
        """Nothing of this answer can be used."""
        self._failure = why

    def partial(self, why: str) -> None:
        """Something is missing."""
        self._partial[why] = None

    def read(self, reply: Reply) -> str | None:
        """Read a page.

        :returns: what it says of the page after it; ``None`` when it is the last, or cannot be read.
        """
        if reply.status == 206:
            self.partial("the endpoint answered 206: only a part")
        try:
            document = _document(reply)
            self._check(document)
            for name, moment, value in self._points(document):
                self._add(name, moment, value)
            return self._next(document)
        except ShapeError as error:
            self.failed(f"the answer is not as the policy says: {error}. It begins {reply.excerpt(120)!r}")
            return None

    def add_to(self, collected: Collected) -> None:
        """Hand over what was read."""
        metric = self._question.metric
        everyone = np.array([code for codes in self._question.names.values() for code in codes], np.int64)
        if self._failure:
            collected.failed(metric, self._failure, everyone)
            return
        if self._no_times:
            text = f"{len(self._no_times)} points are left out, their times cannot be told, such as {self._no_times[0]}"
            self.partial(text)
        if self._no_numbers:
            self.partial(f"{len(self._no_numbers)} values are no numbers, such as {self._no_numbers[0]}")
        for text in self._partial:
            collected.partial(metric, text, everyone)
        times = np.array(self._times, np.int64)
        window = self._question.window
        first, last = (round(one.timestamp()) * 1_000_000 for one in (window.start, window.end))
        if len(times) and not ((times >= first) & (times < last)).any():
            text = f"all {len(times)} points are outside the window, the first at {moment_text(self._times[0])}"
            collected.remark(metric, text, everyone)
        collected.add(metric, times, np.array(self._codes, np.int64), np.array(self._values, np.float64))

    def _check(self, document: Any) -> None:
        config = self._config
        if config.partial is not None and any(values_at(config.partial, document)):
            found = next(filter(None, values_at(config.partial, document)))
            self.partial(f"the answer says at {config.partial} that it is not complete: {_short(found)}")
        if config.unit_at is not None:
            units = list(values_at(config.unit_at, document))
            if wrong := [one for one in units if one != config.unit]:
                raise ShapeError(f"{config.unit_at} says the unit is {_short(wrong[0])}, the policy {config.unit!r}")
            if not units:
                raise ShapeError(f"{config.unit_at} leads nowhere, so nothing says the unit")

    def _points(self, document: Any) -> Iterator[tuple[Any, Any, Any]]:
        """Name, time and value of each point; the name is ``_NOTHING`` where nobody says it."""
        if self._config.series is None:
            yield from self._points_of(document, _NOTHING)
            return
        for key, entry in _entries(document, self._config.series):
            if key is _NOTHING and self._config.target is None and not self._config.one_by_one:
                raise ShapeError(
                    f"{self._config.series} leads to a list, and without target nothing says whose its entries are"
                )
            name = key if self._config.target is None else _one(entry, self._config.target)
            yield from self._points_of(entry, name)

    def _points_of(self, entry: Any, name: Any) -> Iterator[tuple[Any, Any, Any]]:
        config = self._config
        own = config.target if config.series is None else None
        if config.points is not None:
            for point in _list(entry, config.points):
                whose = name if own is None else _one(point, own)
                yield whose, _one(point, config.timestamp), _one(point, config.value)
            return
        paths = [path for path in (config.timestamp, config.value, own) if path is not None]
        columns = [_list(entry, path) for path in paths]
        if len(set(map(len, columns))) > 1:
            lengths = ", ".join(f"{path} has {len(column)}" for path, column in zip(paths, columns, strict=True))
            raise ShapeError(f"its columns are not of one length: {lengths}")
        for row in zip(*columns, strict=True):
            yield (name if own is None else row[2]), row[0], row[1]

    def _add(self, name: Any, moment: Any, value: Any) -> None:
        codes = self._codes_of(name)
        if not codes:
            return
        try:
            at = self._clock.microseconds(None if moment is _NOTHING else moment)
        except TimeUnknownError as error:
            if error.of_all:
                raise ShapeError(str(error)) from error
            self._no_times.append(f"{_short(moment)}: {error}")
            return
        found = number(None if value is _NOTHING else value)
        if found is None:
            self._no_numbers.append(_short(value))
            found = float("nan")
        for code in codes:
            self._times.append(at)
            self._codes.append(code)
            self._values.append(found)

    def _codes_of(self, name: Any) -> Sequence[int]:
        names, config = self._question.names, self._config
        if isinstance(name, str):
            return names.get(name, ())
        if isinstance(name, int | float):
            return names.get(json.dumps(name), ())
        if name is _NOTHING and config.target is None:
            return next(iter(names.values()))  # asked for one by one
        self.partial(f"a point says at {config.target} that it is of {_short(name)}; such points are left out")
        return ()

    def _next(self, document: Any) -> str | None:
        if self._config.next is None:
            return None
        found = list(values_at(self._config.next, document))
        if not found or found[0] in (None, "", False):
            return None
        if len(found) > 1 or isinstance(found[0], bool) or not isinstance(found[0], str | int):
            raise ShapeError(f"{self._config.next} leads to {_short(found[0])}, which is no next page")
        return str(found[0])


def _document(reply: Reply) -> Any:
    try:
        return reply.document
    except (ValueError, RecursionError) as error:
        raise ShapeError(f"it is not JSON ({type(error).__name__}: {error})") from error


def _one(value: Any, path: str) -> Any:
    """What a path leads to; ``_NOTHING`` when that is nothing."""
    found = list(values_at(path, value))
    if len(found) > 1:
        raise ShapeError(f"{path} leads to {len(found)} values where one is meant")
    return found[0] if found else _NOTHING


def _list(value: Any, path: str) -> list[Any]:
    found = _one(value, path)
    if not isinstance(found, list):
        raise ShapeError(f"{path} leads {'nowhere' if found is _NOTHING else 'to ' + _short(found)}; a list is meant")
    return found


def _entries(document: Any, path: str) -> Iterator[tuple[Any, Any]]:
    found = _one(document, path)
    if isinstance(found, dict):
        yield from found.items()
    elif isinstance(found, list):
        yield from ((_NOTHING, entry) for entry in found)
    else:
        said = "nowhere" if found is _NOTHING else "to " + _short(found)
        raise ShapeError(f"{path} leads {said}; a list or an object is meant")


def _short(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    # A value can be a whole document: its beginning is all that is wanted, and repr makes control characters visible.
    text = repr(value) if isinstance(value, str | int | float | None) else f"a JSON {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
