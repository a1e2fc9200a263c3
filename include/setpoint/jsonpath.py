"""A JSONPath's values in a JSON document: the part of RFC 9535 whose cost no document can drive up.

``$.detail.severity``, ``$['detail-type']``, ``$.resources[0]``, ``$.tags[*]``, ``$.detail.*`` and
``$.tags[?@.key == 'tier'].value`` (also written with parentheses, ``[?(...)]``). Recursive descent (``..``), slices and
other filters are refused: a path visits each part of a document at most once. A short name may hold dashes, which
RFC 9535 wants in quotes: nearly every sender's keys have some.

https://www.rfc-editor.org/rfc/rfc9535
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

MAX_PATH_CHARACTERS = 300
MAX_ENTRIES = 1000
"""Entries of one list or object that ``*`` or a filter looks at; the rest are left out."""

Step = Callable[[Any], Iterator[Any]]
"""From one value to the values one step further down."""

_NAME = r"[^\W\d][\w-]*"
_QUOTED = r"'(?:[^'\\]|\\['\\])*'|\"(?:[^\"\\]|\\[\"\\])*\""
_LITERAL = rf"{_QUOTED}|true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?"
_STEP = re.compile(
    rf"""
      \.(?P<name>{_NAME})
    | (?P<every>\.\*|\[\s*\*\s*\])
    | \[\s*(?P<index>0|-?[1-9]\d{{0,8}})\s*\]
    | \[\s*(?P<quoted>{_QUOTED})\s*\]
    | \[\s*\?\s*(?P<open>\(\s*)?@(?:\.(?P<key>{_NAME})|\[\s*(?P<quoted_key>{_QUOTED})\s*\])
      \s*==\s*(?P<literal>{_LITERAL})\s*(?(open)\)\s*)\]
    """,
    re.VERBOSE,
)


class PathError(ValueError):
    """A text that is no JSONPath, or one of the kinds that are not read here."""


@lru_cache(maxsize=10_000)
def compiled(path: str) -> tuple[Step, ...]:
    """The steps of a path.

    :raises PathError: it is not one; the text says where, and what is allowed.
    """
    if len(path) > MAX_PATH_CHARACTERS:
        raise PathError(f"a path has at most {MAX_PATH_CHARACTERS} characters, and this one {len(path)}")
    if not path.startswith("$"):
        raise PathError("a path begins with $, the whole document: $.detail.severity")
    steps: list[Step] = []
    at = 1
    while at < len(path):
        if path.startswith("..", at):
            raise PathError("a path names each step; .. (look everywhere) is not supported")
        match = _STEP.match(path, at)
        if match is None:
            raise PathError(
                f"cannot be read from {path[at : at + 30]!r} on; a step is .name, ['name'], [0], [*] or "
                "[?@.name == 'value']"
            )
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def values_at(path: str, content: Any) -> Iterator[Any]:
    """The values a path leads to in a JSON document, one by one; none when it leads nowhere.

    :raises PathError: as :func:`compiled` does.
    """
    return _walk(content, compiled(path), 0)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: true is not 1, and 1 is 1.0."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _walk(value: Any, steps: tuple[Step, ...], at: int) -> Iterator[Any]:
    if at == len(steps):
        yield value
        return
    for inner in steps[at](value):
        yield from _walk(inner, steps, at + 1)


def _step(match: re.Match[str]) -> Step:
    if match["every"]:
        return _every
    if match["index"]:
        return _at(int(match["index"]))
    if match["literal"]:
        return _having(match["key"] or _unquoted(match["quoted_key"]), _literal(match["literal"]))
    return _member(match["name"] or _unquoted(match["quoted"]))


def _member(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _at(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _every(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return islice(inner, MAX_ENTRIES)


def _having(key: str, literal: Any) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for inner in _every(value):
            if isinstance(inner, dict) and key in inner and same(inner[key], literal):
                yield inner

    return step


def _literal(text: str) -> Any:
    return _unquoted(text) if text[0] in "'\"" else json.loads(text)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
