"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic_core import PydanticSerializationError
from sqlalchemy import JSON, BigInteger, Integer, String, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from setpoint.model.base import Value

_SQLITE_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

RowId = BigInteger().with_variant(Integer, "sqlite")
"""A number the database counts up; SQLite does that for its plain INTEGER key only."""


class UtcTime(TypeDecorator[datetime]):
    """An instant in UTC with microseconds.

    PostgreSQL has a type for it. SQLite gets text of one fixed width, so that the order of the text is the order of
    time. A naive datetime is refused: nobody can tell which instant it is.
    """

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the ledger keeps instants, and {value.isoformat()} has no time zone; give it one (UTC)")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.strftime(_SQLITE_TIME)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return datetime.strptime(value, _SQLITE_TIME).replace(tzinfo=UTC)


class OutsideText(TypeDecorator[str]):
    """Text from outside, kept exactly, also when it holds what a database's text cannot.

    PostgreSQL's text has no NUL, and UTF-8 has no lone surrogates, but JSON from a queue may carry both, and a message
    must not block its queue for that. They are written as escapes and read back as they were.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None or "\\" not in value else unescape(value)


class Document(TypeDecorator[Any]):
    """A value, or plain JSON data, as JSON.

    JSON has no NaN and no infinity; they are written as the strings pydantic reads back as such (``"NaN"``).
    """

    impl = JSON(none_as_null=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        """Write a value's JSON straight from the model: through plain data it takes ten times as long."""
        return lambda value: None if value is None else json_text(value)


class JsonText(str):
    """Text that is JSON already, and goes into a :class:`Document` as it is."""

    __slots__ = ()


def json_text(value: Any) -> JsonText:
    """The JSON of a value, or of plain data; ASCII only, so that any database keeps it."""
    if isinstance(value, JsonText):
        return value
    if isinstance(value, Value):
        try:
            return JsonText(value.model_dump_json(ensure_ascii=True))
        except PydanticSerializationError:
            pass  # half of a surrogate pair, in text from outside: Python's own writer escapes it
    return JsonText(json.dumps(plain(value)))


def plain(value: Any) -> Any:
    """Plain JSON data of a value, of a sequence of values or of JSON data."""
    if isinstance(value, Value):
        return plain(value.to_json())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


_ESCAPE = re.compile(r"\\(\\|0|u[0-9a-f]{4})")


def escape(text: str) -> str:
    """Text any database can hold, from any text; :func:`unescape` undoes it."""
    safe = text.replace("\\", "\\\\").replace("\0", "\\0")
    return safe.encode("utf-8", "backslashreplace").decode()


def unescape(text: str) -> str:
    """The text :func:`escape` was given."""
    return _ESCAPE.sub(lambda found: _escaped(found[1]), text)


def _escaped(code: str) -> str:
    if code == "\\":
        return code
    return "\0" if code == "0" else chr(int(code[1:], 16))
