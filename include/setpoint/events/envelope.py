"""From a queue's message body to the one JSON object that is the event's, whatever envelope carried it.

An SNS subscription wraps what was published (``Type: Notification``); with raw message delivery it does not. Both are
read. Format: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from setpoint.events.contract import EventError
from setpoint.events.texts import one_line, shown

MAX_BYTES = 256 * 1024
"""What one event may weigh. SQS carried 256 KiB until 2025 and more since; no known event comes near it."""

MAX_DEPTH = 32
"""How deep an event's JSON may nest. CloudWatch's deepest alarm has eight levels."""

BUDGETS_TEXT = "AWS Budget Notification"
"""How the one message begins that AWS publishes as text: an alert of AWS Budgets."""

_GZIP_IN_BASE64 = "H4sI"
"""How gzip begins in base64 (RFC 1952: ID1, ID2, deflate): CloudWatch Logs' payload without a wrapping."""

_MOST_OF_AN_ID = 100
"""SNS's have 36 characters. A longer one is nobody's, and no event could have it for a part of its own."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SNS_CONTROL = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


@dataclass(frozen=True)
class Letter:
    """A message out of its envelope."""

    content: dict[str, Any]
    message_id: str
    """SNS's id of the publication when SNS carried it, else SQS's id of the message."""
    source: str
    """The SNS topic's ARN when SNS carried it, else what the caller said."""


def open_envelope(body: str, *, message_id: str, source: str) -> Letter:
    """Read a message's body and take it out of its SNS envelope, if it has one.

    :param body: the text as the queue delivered it.
    :param message_id: the queue's own id of the message.
    :param source: the queue, for people.
    :raises EventError: ``too_large``, ``not_json``, ``too_deep``, ``bad_text`` or ``sns_control``.
    """
    content = _texts_of_aws(body) or parse_object(body, what="the message")
    kind = content.get("Type")
    if not isinstance(content.get("TopicArn"), str) or not isinstance(content.get("MessageId"), str):
        return Letter(content, message_id, source)
    if kind in _SNS_CONTROL:
        raise EventError(
            "sns_control",
            f"a {kind} of topic {shown(content['TopicArn'])}, not an event; confirm the subscription by visiting "
            "its SubscribeURL, or subscribe the queue from the queue's own account",
        )
    if kind != "Notification" or not isinstance(content.get("Message"), str):
        return Letter(content, message_id, source)
    what = "the SNS notification's Message"
    # Of a text the notification is kept as well: its time stands nowhere else.
    published = (
        content | text if (text := _texts_of_aws(content["Message"])) else parse_object(content["Message"], what=what)
    )
    named = content["MessageId"]
    return Letter(published, named if 0 < len(named) <= _MOST_OF_AN_ID else message_id, content["TopicArn"])


def _texts_of_aws(text: str) -> dict[str, Any] | None:
    """What AWS sends that is not JSON, as the object in which it comes otherwise; ``None`` for everything else.

    :raises EventError: ``too_large`` or ``bad_text``.
    """
    if text.startswith(BUDGETS_TEXT):
        content: dict[str, Any] = {"Message": text}
    elif text.startswith(_GZIP_IN_BASE64):
        content = {"awslogs": {"data": text}}
    else:
        return None
    _check_size(text, "the message", MAX_BYTES)
    check_texts(content, "the message")
    return content


def _check_size(text: str, what: str, max_bytes: int) -> None:
    size = len(text.encode(errors="surrogatepass"))
    if size > max_bytes:
        raise EventError("too_large", f"{what} is {size:,} bytes; at most {max_bytes:,} are read")


def parse_object(text: str, *, what: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read one JSON object, strictly: bounded in size and depth, no key twice, no text that cannot be stored.

    :param what: names the text in an error.
    :param max_bytes: how large it may be.
    :raises EventError: ``too_large``, ``not_json``, ``too_deep`` or ``bad_text``.
    """
    value = parse_value(text, what=what, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise EventError("not_json", f"{what} is a JSON {_json_type(value)}; an event is a JSON object")
    return value


def parse_value(text: str, *, what: str, max_bytes: int = MAX_BYTES) -> Any:
    """Read one JSON value of any type, as strictly as :func:`parse_object` reads an object.

    :raises EventError: ``too_large``, ``not_json``, ``too_deep`` or ``bad_text``.
    """
    _check_size(text, what, max_bytes)
    try:
        value = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except RecursionError:
        raise EventError("too_deep", f"{what} is nested deeper than {MAX_DEPTH} levels") from None
    except EventError:
        raise
    except json.JSONDecodeError as error:
        raise EventError("not_json", f"{what} is not JSON: {error}; it begins {shown(text[:80])}") from None
    except ValueError as error:  # of what is no syntax: a name that JSON has not, or more digits than Python converts
        why = "a whole number in it has thousands of digits" if "set_int_max_str_digits" in str(error) else error
        raise EventError("not_json", f"{what} is not JSON: {why}; it begins {shown(text[:80])}") from None
    check_texts(value, what)
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise EventError("not_json", f"the key {shown(key)} stands twice in one object; keep the one that is meant")
        content[key] = value
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def check_texts(value: Any, what: str) -> None:
    """Refuse JSON data that nests too deep, or that holds text no database keeps.

    :raises EventError: ``too_deep`` or ``bad_text``.
    """
    for path, depth, text in _texts(value):
        if depth > MAX_DEPTH:
            raise EventError("too_deep", f"{what} is nested deeper than {MAX_DEPTH} levels")
        if _UNSTORABLE.search(text):
            raise EventError(
                "bad_text", f"{what}: {one_line(path, 200)} holds NUL or half a surrogate pair: {shown(text)}"
            )


def _texts(value: Any) -> Iterator[tuple[str, int, str]]:
    """Every text in a JSON value, keys included, with its path and depth. Iterative: depth is what is being checked."""
    waiting: list[tuple[str, int, Any]] = [("$", 0, value)]
    while waiting:
        path, depth, one = waiting.pop()
        if isinstance(one, str):
            yield path, depth, one
        elif depth > MAX_DEPTH:
            yield path, depth, ""
        elif isinstance(one, dict):
            for key, inner in one.items():
                yield f"{path}.(key)", depth, key
                waiting.append((f"{path}.{key[:80]}", depth + 1, inner))
        elif isinstance(one, list):
            waiting.extend((f"{path}[{index}]", depth + 1, inner) for index, inner in enumerate(one))


def _json_type(value: object) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")
