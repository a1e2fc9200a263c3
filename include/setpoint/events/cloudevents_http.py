"""CloudEvents over HTTP: binary and structured mode, both into the structured JSON form.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from setpoint.events.contract import EventError
from setpoint.events.envelope import MAX_BYTES, check_texts, parse_object
from setpoint.events.media import is_json, media_type, parse_data, text_of
from setpoint.events.texts import shown

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_PREFIX = "ce-"
_NAME = re.compile(r"[a-z0-9]{1,64}")
_MAX_VALUE = 8192


def is_cloudevent(headers: Mapping[str, str]) -> bool:
    """Whether an HTTP request carries a CloudEvent, by its headers alone; their names' case does not matter."""
    lower = {name.lower(): value for name, value in headers.items()}
    return _PREFIX + "specversion" in lower or media_type(lower.get("content-type", "")).startswith(
        "application/cloudevents"
    )


def from_headers(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The CloudEvent in an HTTP request, in the structured JSON form that ``kind: cloudevents`` reads.

    :param headers: the request's headers; their names' case does not matter.
    :param body: the request's body, not larger than a message may be.
    :raises EventError: ``invalid``: it is no CloudEvent, or its headers cannot be read; ``too_large``, ``not_json``,
        ``too_deep`` or ``bad_text``: its body cannot.
    """
    if len(body) > MAX_BYTES:
        raise EventError("too_large", f"the CloudEvent's body is {len(body):,} bytes; at most {MAX_BYTES:,} are read")
    lower = {name.lower(): value for name, value in headers.items()}
    content_type = lower.get("content-type", "")
    kind = media_type(content_type)
    if kind == STRUCTURED:
        return parse_object(text_of(body, what="the CloudEvent"), what="the CloudEvent")
    if kind.startswith("application/cloudevents"):
        raise EventError(
            "invalid",
            f"a CloudEvent comes as {STRUCTURED}, or in ce- headers; {shown(kind)} is not read: post one each",
        )
    if _PREFIX + "specversion" not in lower:
        raise EventError(
            "invalid", f"no CloudEvent: neither the header ce-specversion nor the content type {STRUCTURED} is there"
        )
    attributes: dict[str, Any] = {
        name.removeprefix(_PREFIX): _value(name, value) for name, value in lower.items() if name.startswith(_PREFIX)
    }
    _check_names(attributes)
    if content_type:
        attributes["datacontenttype"] = content_type
    attributes |= _data(body, content_type)
    check_texts(attributes, "the CloudEvent's headers")
    return attributes


def _check_names(attributes: Mapping[str, Any]) -> None:
    wrong = [name for name in attributes if not _NAME.fullmatch(name) or name in ("data", "datacontenttype")]
    if wrong:
        names = ", ".join(shown(_PREFIX + name) for name in wrong[:5])
        raise EventError(
            "invalid",
            f"a CloudEvent's header cannot be read: {names}: a name is letters and digits, the data is the body, and "
            "its type the header Content-Type",
        )


def _value(name: str, value: str) -> str:
    """A header's value: unquoted, then percent-decoded once (section 3.1.3.2)."""
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise EventError("invalid", f"the header {name} is not UTF-8 in percent-encoding: {shown(value)}") from None
    if not 0 < len(decoded) <= _MAX_VALUE:
        raise EventError("invalid", f"the header {name} has {len(decoded)} characters; 1 to {_MAX_VALUE} are allowed")
    return decoded


def _data(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        return {}
    if is_json(content_type or "application/json"):
        return {"data": parse_data(body, what="the CloudEvent's body")}
    if media_type(content_type).startswith("text/"):
        return {"data": text_of(body, what="the CloudEvent's body")}
    return {"data_base64": base64.b64encode(body).decode()}
