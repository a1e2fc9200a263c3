"""``cloudevents``: any event in the CloudEvents 1.0 form, with filters on its attributes and its content.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md; as JSON
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md), on a queue or posted. What arrives
over HTTP in headers is put into that form first (:mod:`setpoint.events.cloudevents_http`).

``source`` and ``id`` together are an event's identity, as the specification has it. ``where`` begins at the event:
``$.data.region``, ``$.subject``, ``$.myextension``. ``data_base64`` that holds JSON is read as ``data``. The extension
attribute ``setpointtarget``, where there is one, names the target.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from setpoint.events.cloudevents_http import from_headers as from_headers
from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.media import is_json, parse_data
from setpoint.events.texts import one_line, problems, shown
from setpoint.events.vendor import Loose, Pattern, Text, like, read_as
from setpoint.events.where import Where, fits
from setpoint.model import Event, UtcDatetime, digest

KIND = "cloudevents"
TARGET_ATTRIBUTE = "setpointtarget"
_MAX_EXTENSIONS = 30

Attribute = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class CloudEventsConfig(EventConfig):
    """``kind: cloudevents``: which events, by type, source, subject and content."""

    kind: Literal["cloudevents"]
    type: Pattern = Field(default="*", description="the event's type, with * and ? as wildcards: com.example.order.*")
    source: Pattern = Field(default="*", description="the event's source, with * and ? as wildcards")
    subject: Pattern = Field(
        default="*", description="the event's subject, with * and ? as wildcards; * is also an event without one"
    )
    where: Where = Field(default_factory=dict, description="the events whose content fits: JSONPath → condition")


class _Required(Loose):
    specversion: Literal["1.0"]
    id: Attribute
    source: Attribute
    type: Attribute
    subject: Text = ""
    time: UtcDatetime | None = None
    datacontenttype: Text = ""
    dataschema: Text = ""


_OWN = frozenset(_Required.model_fields) | {"data", "data_base64"}


class CloudEvent:
    """A CloudEvent."""

    Config: ClassVar[type[CloudEventsConfig]] = CloudEventsConfig
    looks_like: ClassVar[str] = "an object with specversion, id, source and type, as CloudEvents 1.0 has it"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return "specversion" in body

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        attributes = read_as(_Required, body, kind=KIND)
        data = _data(body, attributes.datacontenttype)
        try:
            return [_event(attributes, _extensions(body), data, received_at)]
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} event cannot be read: {problems(error)}") from None

    @staticmethod
    def wanted(event: Event, config: CloudEventsConfig) -> bool:
        payload = event.payload
        return (
            like(payload.get("type"), config.type)
            and like(payload.get("source"), config.source)
            and like(payload.get("subject", ""), config.subject)
            and fits(config.where, payload)
        )


def _extensions(body: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The extension attributes. They are scalars: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md"""
    found = {key: value for key, value in body.items() if key not in _OWN and value is not None}
    wrong = [key for key, value in found.items() if not isinstance(value, str | int | float)]
    if wrong:
        names = ", ".join(shown(key) for key in wrong[:5])
        raise EventError("invalid", f"this {KIND} event cannot be read: {names}: an attribute is a text or a number")
    if len(found) > _MAX_EXTENSIONS:
        raise EventError(
            "invalid", f"this {KIND} event has {len(found)} extension attributes; at most {_MAX_EXTENSIONS} are read"
        )
    return {key: one_line(value) if isinstance(value, str) else value for key, value in found.items()}


def _data(body: Mapping[str, Any], content_type: str) -> dict[str, JsonValue]:
    """The event's data, under the key it is kept and matched by; binary data that is no JSON is only counted."""
    encoded = body.get("data_base64")
    if encoded is None:
        return {"data": body["data"]} if body.get("data") is not None else {}
    if body.get("data") is not None:
        raise EventError("invalid", f"this {KIND} event has both data and data_base64; one of them holds its data")
    try:
        raw = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except (binascii.Error, ValueError):
        raw = None
    if raw is None:
        raise EventError("invalid", f"this {KIND} event cannot be read: data_base64: {shown(encoded)}: not base64")
    if is_json(content_type or "application/json"):
        return {"data": parse_data(raw, what="the CloudEvent's data_base64")}
    return {"data_bytes": len(raw)}


def _event(
    attributes: _Required, extensions: dict[str, JsonValue], data: dict[str, JsonValue], received_at: datetime
) -> Event:
    told: dict[str, JsonValue] = {"id": attributes.id, "source": attributes.source, "type": attributes.type}
    for name in ("subject", "datacontenttype", "dataschema"):
        if value := getattr(attributes, name):
            told[name] = one_line(value)
    if attributes.time is not None:
        told["time"] = attributes.time.isoformat()
    target = extensions.get(TARGET_ATTRIBUTE)
    about = f" about {attributes.subject}" if attributes.subject else ""
    return Event(
        event_id=f"{KIND}:{digest(attributes.source, attributes.id)}",
        kind=KIND,
        source=attributes.source,
        targets=(target,) if isinstance(target, str) and target else (),
        occurred_at=attributes.time or received_at,
        received_at=received_at,
        summary=one_line(f"{attributes.type} from {attributes.source}{about}"),
        payload={**extensions, **told, **data},
    )
