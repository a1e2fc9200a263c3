"""``aws.health``: AWS Health says that a service, or something of yours, has a problem or will be changed.

Format: https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html. One communication is
delivered to two regions, and one with many entities in pages: account, event ARN, communication id and page together
are its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from setpoint.events.bridge import Bridged, event_of, groups_in, is_bridged
from setpoint.events.contract import EventConfig
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import Loose, Pattern, Text, like, no_null, read_as
from setpoint.model import Event, digest

KIND = "aws.health"
Category = Literal["issue", "scheduledChange", "accountNotification", "investigation"]
Status = Literal["open", "upcoming", "closed"]

_DETAIL_TYPES = ("AWS Health Event", "AWS Health Abuse Event")
_KEPT_ENTITIES = 10


class HealthConfig(EventConfig):
    """``kind: aws.health``: which events of AWS Health."""

    kind: Literal["aws.health"]
    service: Pattern = Field(
        default="*", description="the service's code as AWS Health writes it: EC2, RDS, ECS; * any"
    )
    event_type: Pattern = Field(
        default="*",
        description="the event type's code, with * and ? as wildcards: AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED",
    )
    categories: tuple[Category, ...] = Field(default=("issue",), min_length=1, description="what sort of event it is")
    statuses: tuple[Status, ...] = Field(
        default=("open", "upcoming"), min_length=1, description="how it stands; an event that does not say is open"
    )
    regions: tuple[Annotated[str, Field(min_length=1, max_length=50)], ...] = Field(
        default=(), max_length=50, description="the regions it is about; any, when left out"
    )


class _Description(Loose):
    latestDescription: Text = ""


class _Entity(Loose):
    entityValue: Text = ""


class _Detail(Loose):
    eventArn: str = Field(min_length=1, max_length=1600)
    service: str = Field(min_length=1, max_length=200)
    eventTypeCode: str = Field(min_length=1, max_length=200)
    eventTypeCategory: str = Field(min_length=1, max_length=100)
    communicationId: Text = ""
    page: Text = ""
    statusCode: Text = ""
    eventRegion: Text = ""
    startTime: Text = ""
    endTime: Text = ""
    eventDescription: Annotated[tuple[_Description, ...], BeforeValidator(no_null)] = ()
    affectedEntities: Annotated[tuple[_Entity, ...], BeforeValidator(no_null)] = ()


class HealthEvent:
    """An event of AWS Health. Its targets are the Auto Scaling groups whose ARNs are among what it affects."""

    Config: ClassVar[type[HealthConfig]] = HealthConfig
    targets_of: ClassVar[str] = "aws.autoscaling_group"
    looks_like: ClassVar[str] = "EventBridge's aws.health event"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return is_bridged(body, "aws.health", _DETAIL_TYPES)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        envelope = read_as(Bridged[_Detail], body, kind=KIND)
        detail = envelope.detail
        entities = [one.entityValue for one in detail.affectedEntities if one.entityValue]
        affected = list(dict.fromkeys([*entities, *envelope.resources]))
        kept: list[JsonValue] = [one_line(one, 2048) for one in affected[:_KEPT_ENTITIES]]
        described = detail.eventDescription[0].latestDescription if detail.eventDescription else ""
        return [
            event_of(
                envelope,
                kind=KIND,
                received_at=received_at,
                event_id=f"{KIND}:{_identity(envelope)}",
                targets=groups_in(affected),
                summary=f"AWS Health, {detail.service}: {detail.eventTypeCode}"
                + (f": {described}" if described else ""),
                payload={
                    "service": detail.service,
                    "event_type": detail.eventTypeCode,
                    "category": detail.eventTypeCategory,
                    "status": one_line(detail.statusCode, 50) or "open",
                    "event_region": one_line(detail.eventRegion, 50),
                    "event_arn": one_line(detail.eventArn, 1600),
                    "starts": one_line(detail.startTime, 100),
                    "ends": one_line(detail.endTime, 100),
                    "affected": kept,
                    "affected_count": len(affected),
                    "description": one_line(described),
                },
            )
        ]

    @staticmethod
    def wanted(event: Event, config: HealthConfig) -> bool:
        told = event.payload
        return (
            like(told.get("service"), config.service)
            and like(told.get("event_type"), config.event_type)
            and told.get("category") in config.categories
            and told.get("status") in config.statuses
            and (not config.regions or told.get("event_region") in config.regions)
        )


def _identity(envelope: Bridged[_Detail]) -> str:
    detail = envelope.detail
    # Events of before 2023 have no communication id: then the delivery's own identity has to do.
    return digest(envelope.account, detail.eventArn, detail.communicationId or envelope.id, detail.page)
