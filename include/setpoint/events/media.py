"""Content and its media type: what is JSON, and reading it as strictly as a message."""

from __future__ import annotations

from pydantic import JsonValue

from setpoint.events.contract import EventError
from setpoint.events.envelope import parse_value
from setpoint.events.texts import shown


def media_type(content_type: str) -> str:
    """A content type without its parameters, in lower case: ``application/json``."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether a content type says JSON: subtype ``json`` or suffix ``+json`` (RFC 6839)."""
    kind = media_type(content_type)
    return kind.endswith(("/json", "+json"))


def parse_data(raw: bytes, *, what: str) -> JsonValue:
    """Read bytes that are JSON, of any type, as strictly as a message is read.

    :param what: names the bytes in an error.
    :raises EventError: ``too_large``, ``not_json``, ``too_deep`` or ``bad_text``.
    """
    value: JsonValue = parse_value(text_of(raw, what=what), what=what)
    return value


def text_of(raw: bytes, *, what: str) -> str:
    """Read bytes that are UTF-8.

    :raises EventError: ``not_json``: they are not.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise EventError("not_json", f"{what} is not UTF-8: {error.reason}: {shown(raw[:40])}") from None
