"""``where``: the events whose content fits, told by JSONPath; an option of the kinds whose content is free.

::

    where:
      $.detail.severity: {above: 6.9}                    a number above; below for one below
      $.detail.type: {prefix: "UnauthorizedAccess:"}     a text that begins so; suffix for one that ends so
      $.region: [eu-west-1, eu-west-2]                   one of these
      $.detail.archived: false                           this value
      $.detail.error: {exists: false}                    nothing is there

All of them hold, or the event is not wanted. Where a path leads to several values, one that fits is enough, and a list
at its end counts as the values in it. Texts are compared by case, and nothing is converted: ``"7"`` is not 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, PlainSerializer, WithJsonSchema

from setpoint.events.texts import shown
from setpoint.jsonpath import MAX_ENTRIES, PathError, compiled, same, values_at
from setpoint.model.base import Value
from setpoint.policy.fields import refuse

MAX_PATHS = 20
"""Paths one ``where`` may have."""
MAX_CHOICES = 100
"""Values one list may have."""
_MAX_TEXT = 1000


class Condition(Value):
    """What a value must be. Everything that is given must hold of one and the same value."""

    one_of: tuple[str | bool | int | float, ...] = ()
    prefix: str | None = None
    suffix: str | None = None
    above: int | FiniteFloat | None = None
    below: int | FiniteFloat | None = None
    exists: bool = True

    def holds(self, values: Iterable[Any]) -> bool:
        """Whether one of the values a path led to fits; with ``exists: false``, whether it led to none."""
        if not self.exists:
            return next(iter(values), _NOTHING) is _NOTHING
        if not self._says_more:
            return next(iter(values), _NOTHING) is not _NOTHING
        fits_one = self._fits  # a loop, and not any(): a batch of log lines asks hundreds of thousands of times
        for value in values:
            if isinstance(value, list):
                if any(fits_one(inner) for inner in value[:MAX_ENTRIES]):
                    return True
            elif fits_one(value):
                return True
        return False

    def written(self) -> Any:
        """The condition the way a policy file has it."""
        if self.one_of:
            return self.one_of[0] if len(self.one_of) == 1 else list(self.one_of)
        return self.model_dump(exclude_defaults=True) or {"exists": True}

    @cached_property
    def _says_more(self) -> bool:
        """More than that something is there."""
        return bool(self.one_of) or any(one is not None for one in (self.prefix, self.suffix, self.above, self.below))

    def _fits(self, value: Any) -> bool:
        one_of = self.one_of
        return (
            (not one_of or (same(value, one_of[0]) if len(one_of) == 1 else any(same(value, one) for one in one_of)))
            and (self.prefix is None or (isinstance(value, str) and value.startswith(self.prefix)))
            and (self.suffix is None or (isinstance(value, str) and value.endswith(self.suffix)))
            and (self.above is None or (_is_number(value) and value > self.above))
            and (self.below is None or (_is_number(value) and value < self.below))
        )


_NOTHING: Any = object()


def fits(where: Mapping[str, Condition], content: Any) -> bool:
    """Whether a JSON document fits every path's condition; with no path, it does."""
    return all(condition.holds(values_at(path, content)) for path, condition in where.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or isfinite(value))


def _is_scalar(value: Any) -> bool:
    return (isinstance(value, str) and len(value) <= _MAX_TEXT) or isinstance(value, bool) or _is_finite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT


_TEXT = f"is a text of 1 to {_MAX_TEXT} characters"
_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "prefix": (_is_text, _TEXT),
    "suffix": (_is_text, _TEXT),
    "above": (_is_finite, "is a number"),
    "below": (_is_finite, "is a number"),
    "exists": (lambda value: isinstance(value, bool), "is true or false"),
}


def parse_condition(value: Any) -> Condition:
    """Read a value, a list of values, or a section of ``prefix``, ``suffix``, ``above``, ``below``, ``exists``.

    :raises PydanticCustomError: it is none of these; every problem is named.
    """
    if isinstance(value, Condition):
        return value
    if _is_scalar(value):
        return Condition(one_of=(value,))
    if isinstance(value, list | tuple):
        return _one_of(value)
    if isinstance(value, dict):
        return _section(value)
    raise refuse(
        f"a condition is a text of at most {_MAX_TEXT} characters, a number, true or false, a list of these, or a "
        f"section with {', '.join(_ALLOWED)}; for what is missing write {{exists: false}}"
    )


def _one_of(values: list[Any] | tuple[Any, ...]) -> Condition:
    if not 1 <= len(values) <= MAX_CHOICES:
        raise refuse(f"a list of values has 1 to {MAX_CHOICES} of them, and this one {len(values)}")
    wrong = [shown(one) for one in values if not _is_scalar(one)]
    if wrong:
        raise refuse(f"a list holds texts, numbers, true and false, and not {', '.join(wrong[:5])}")
    return Condition(one_of=tuple(values))


def _section(section: Mapping[str, Any]) -> Condition:
    problems = [
        f"{key}: is unknown; there are {', '.join(_ALLOWED)}"
        if key not in _ALLOWED
        else f"{key}: {_ALLOWED[key][1]}, not {shown(value)}"
        for key, value in section.items()
        if key not in _ALLOWED or not _ALLOWED[key][0](value)
    ]
    if not section:
        problems.append(f"a condition says something: {', '.join(_ALLOWED)}")
    elif not problems and section.get("exists") is False and len(section) > 1:
        problems.append("exists: false stands alone; nothing can be asked of a value that is not there")
    elif not problems and "above" in section and "below" in section and section["above"] >= section["below"]:
        problems.append(f"above: {section['above']} and below: {section['below']} leave no number")
    if problems:
        raise refuse("; ".join(problems))
    return Condition(**section)


def _checked_path(path: str) -> str:
    try:
        compiled(path)
    except PathError as error:
        raise refuse(str(error)) from None
    return path


_SCALARS = [{"type": "string", "maxLength": _MAX_TEXT}, {"type": "number"}, {"type": "boolean"}]
_TEXT_SCHEMA = {"type": "string", "minLength": 1, "maxLength": _MAX_TEXT}
_CONDITION_SCHEMA = {
    "oneOf": [
        *_SCALARS,
        {"type": "array", "items": {"oneOf": _SCALARS}, "minItems": 1, "maxItems": MAX_CHOICES},
        {
            "type": "object",
            "properties": {
                "prefix": _TEXT_SCHEMA,
                "suffix": _TEXT_SCHEMA,
                "above": {"type": "number"},
                "below": {"type": "number"},
                "exists": {"type": "boolean"},
            },
            "additionalProperties": False,
            "minProperties": 1,
        },
    ],
    "description": "a value, a list of values, or a section of prefix, suffix, above, below, exists",
}

Path = Annotated[str, AfterValidator(_checked_path)]
"""A JSONPath that can be read; see :mod:`setpoint.jsonpath`."""

Wanted = Annotated[
    Condition,
    BeforeValidator(parse_condition),
    PlainSerializer(Condition.written),
    WithJsonSchema(_CONDITION_SCHEMA),
]
"""A condition, the way a policy file has it."""

Where = Annotated[
    dict[Path, Wanted],
    Field(max_length=MAX_PATHS, description="the events whose content fits: JSONPath → condition"),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": r"^\$"},
            "additionalProperties": _CONDITION_SCHEMA,
            "maxProperties": MAX_PATHS,
            "description": "the events whose content fits: JSONPath → condition",
        }
    ),
]
"""The field type of the option: ``where: Where = Field(default_factory=dict)``."""
