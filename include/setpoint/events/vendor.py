"""Reading what other people's systems send: what we read is checked, what we do not read may be anything."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from setpoint.events.contract import EventError
from setpoint.events.texts import problems


class Loose(BaseModel):
    """A vendor's object. Vendors add fields without notice, so unknown ones are let through unread."""

    model_config = ConfigDict(frozen=True, extra="ignore")


LooseT = TypeVar("LooseT", bound=Loose)

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""A text that may be left out or ``null``; both read as empty."""

Pattern = Annotated[str, Field(min_length=1, max_length=1024)]
"""A filter option on a text: ``*`` and ``?`` are wildcards, case counts."""


def no_null(value: Any) -> Any:
    """An empty list for ``null``, for a ``BeforeValidator`` of a field that holds a list."""
    return () if value is None else value


def like(value: object, pattern: str) -> bool:
    """Whether a value is a text that a filter option's pattern matches: ``*`` and ``?`` mean more than themselves."""
    if not isinstance(value, str):
        return False
    # Thousands of events of one message are asked about the same few names, such as their log group's.
    return _name_is_like(value, pattern) if len(value) <= _LONGEST_NAME else _is_like(value, pattern)


def _is_like(value: str, pattern: str) -> bool:
    return pattern == "*" or fnmatchcase(value, pattern.replace("[", "[[]"))


_LONGEST_NAME = 600
"""Longer texts are not remembered: they are no names, and would fill the memory."""
_name_is_like = lru_cache(maxsize=4096)(_is_like)


def read_as(shape: type[LooseT], content: object, *, kind: str) -> LooseT:
    """Read a vendor's object.

    :param kind: the event kind, for the error.
    :raises EventError: ``invalid``, with every problem.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        raise EventError("invalid", f"this {kind} event cannot be read: {problems(error)}") from None
