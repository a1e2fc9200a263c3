"""``eventbridge``: any event of an EventBridge bus.

Envelope: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html. Events of AWS services that
have a kind of their own are read by that kind too; a policy gets the reading its trigger asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from setpoint.events.bridge import Bridged, event_of, groups_in
from setpoint.events.contract import EventConfig
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import like, read_as
from setpoint.events.where import Where, fits
from setpoint.model import Event

KIND = "eventbridge"
_ENVELOPE = ("id", "source", "detail-type", "detail")
_KEPT_RESOURCES = 10


class EventBridgeConfig(EventConfig):
    """``kind: eventbridge``: which events, by source, detail type and content."""

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
    where: Where = Field(
        default_factory=dict,
        description="the events whose content fits, by the whole envelope: JSONPath → condition",
    )


class EventBridgeEvent:
    """An EventBridge event. Its targets are the Auto Scaling groups it names: in ``resources``, or in ``detail``."""

    Config: ClassVar[type[EventBridgeConfig]] = EventBridgeConfig
    looks_like: ClassVar[str] = "an EventBridge envelope with id, source, detail-type and detail"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return all(key in body for key in _ENVELOPE)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        envelope = read_as(Bridged[dict[str, JsonValue]], body, kind=KIND)
        group = envelope.detail.get("AutoScalingGroupName")
        resources: list[JsonValue] = [one_line(resource, 2048) for resource in envelope.resources[:_KEPT_RESOURCES]]
        return [
            event_of(
                envelope,
                kind=KIND,
                received_at=received_at,
                targets=[*groups_in(envelope.resources), *([group] if isinstance(group, str) and group else [])],
                summary=f"{envelope.source}: {envelope.detail_type}",
                payload={
                    "source": envelope.source,
                    "detail_type": envelope.detail_type,
                    "resources": resources,
                    "detail": envelope.detail,
                },
            )
        ]

    @staticmethod
    def wanted(event: Event, config: EventBridgeConfig) -> bool:
        told = event.payload
        return (
            like(told.get("source"), config.source)
            and like(told.get("detail_type"), config.detail_type)
            and (not config.where or fits(config.where, _as_sent(event)))
        )


def _as_sent(event: Event) -> dict[str, JsonValue]:
    """The envelope as EventBridge writes it, so that a path reads as AWS documents the event."""
    told = dict(event.payload)
    told["detail-type"] = told.pop("detail_type", None)
    told["time"] = event.occurred_at.isoformat()
    return told
