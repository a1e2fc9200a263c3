"""``eventbridge``: any event of an EventBridge bus.

Envelope: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.texts import one_line, problems
from setpoint.model import Event, UtcDatetime

KIND = "eventbridge"
_ENVELOPE = ("id", "source", "detail-type", "detail")
_GROUP_ARN = re.compile(
    r"arn:[^:]*:autoscaling:[^:]*:[^:]*:autoScalingGroup:[^:]*:autoScalingGroupName/(.+)", re.DOTALL
)
_KEPT_DETAIL_CHARACTERS = 4096


class EventBridgeConfig(EventConfig):
    """``kind: eventbridge``: which events, by source and detail type."""

    kind: Literal["eventbridge"]
    source: str = Field(
        default="*",
        min_length=1,
        max_length=256,
        description="the event's source, with * and ? as wildcards: aws.autoscaling",
    )
    detail_type: str = Field(
        default="*", min_length=1, max_length=256, description="the event's detail-type, with * and ? as wildcards"
    )


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=256)
    detail_type: str = Field(alias="detail-type", min_length=1, max_length=256)
    time: UtcDatetime
    account: str = ""
    region: str = ""
    resources: tuple[str, ...] = ()
    detail: dict[str, JsonValue]


class EventBridgeEvent:
    """An EventBridge event. Its targets are the Auto Scaling groups it names: in ``resources``, or in ``detail``."""

    Config: ClassVar[type[EventBridgeConfig]] = EventBridgeConfig
    looks_like: ClassVar[str] = "an EventBridge envelope with id, source, detail-type and detail"

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return all(key in body for key in _ENVELOPE)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        try:
            envelope = _Envelope.model_validate(body)
            return [_event(envelope, received_at)]
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} event cannot be read: {problems(error)}") from None

    @staticmethod
    def wanted(event: Event, config: EventBridgeConfig) -> bool:
        source, detail_type = event.payload.get("source"), event.payload.get("detail_type")
        return (
            isinstance(source, str)
            and fnmatchcase(source, config.source)
            and isinstance(detail_type, str)
            and fnmatchcase(detail_type, config.detail_type)
        )


def _event(envelope: _Envelope, received_at: datetime) -> Event:
    payload: dict[str, JsonValue] = {
        "source": envelope.source,
        "detail_type": envelope.detail_type,
        "account": one_line(envelope.account, 50),
        "region": one_line(envelope.region, 50),
        "resources": [one_line(resource, 2048) for resource in envelope.resources[:10]],
    }
    detail_characters = len(json.dumps(envelope.detail))
    if detail_characters <= _KEPT_DETAIL_CHARACTERS:
        payload["detail"] = envelope.detail
    else:
        payload["detail_left_out_characters"] = detail_characters
    return Event(
        event_id=f"{KIND}:{envelope.id}",
        kind=KIND,
        source=envelope.source,
        targets=_targets(envelope),
        occurred_at=envelope.time,
        received_at=received_at,
        summary=one_line(f"{envelope.source}: {envelope.detail_type}"),
        payload=payload,
    )


def _targets(envelope: _Envelope) -> tuple[str, ...]:
    named = [match[1] for resource in envelope.resources if (match := _GROUP_ARN.fullmatch(resource))]
    group = envelope.detail.get("AutoScalingGroupName")
    if isinstance(group, str) and group:
        named.append(group)
    return tuple(dict.fromkeys(named))
