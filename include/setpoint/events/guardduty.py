"""``aws.guardduty``: GuardDuty found something, or saw a finding again.

Event: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html; severity is a number from
1.0 to 10.0: low below 4, medium below 7, high below 9, critical from there
(https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html). A finding that occurs again is sent
again with a higher count: that is another event.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, FiniteFloat

from setpoint.events.bridge import Bridged, event_of, is_bridged
from setpoint.events.contract import EventConfig
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import Loose, Pattern, Text, like, no_null, read_as
from setpoint.model import Event, digest

KIND = "aws.guardduty"
_GROUP_TAG = "aws:autoscaling:groupName"


class GuardDutyConfig(EventConfig):
    """``kind: aws.guardduty``: which findings."""

    kind: Literal["aws.guardduty"]
    minimum_severity: float = Field(
        default=7,
        ge=0,
        le=10,
        description="the least severity: low from 1, medium from 4, high from 7, critical from 9",
    )
    finding: Pattern = Field(
        default="*", description="the finding's type, with * and ? as wildcards: CryptoCurrency:EC2/*"
    )
    resource: Pattern = Field(
        default="*", description="the resource's type: Instance, Container, AccessKey, S3Bucket; *"
    )


class _Tag(Loose):
    key: Text = ""
    value: Text = ""


class _Instance(Loose):
    instanceId: Text = ""
    tags: Annotated[tuple[_Tag, ...], BeforeValidator(no_null)] = ()


class _Resource(Loose):
    resourceType: Text = ""
    instanceDetails: _Instance | None = None


class _Service(Loose):
    count: int = 1


class _Detail(Loose):
    id: str = Field(min_length=1, max_length=300)
    type: str = Field(min_length=1, max_length=300)
    severity: FiniteFloat
    title: Text = ""
    arn: Text = ""
    updatedAt: Text = ""
    resource: _Resource = _Resource()
    service: _Service = _Service()


class GuardDutyFinding:
    """A GuardDuty finding. Its target is the Auto Scaling group of the instance it is about, if that has one."""

    Config: ClassVar[type[GuardDutyConfig]] = GuardDutyConfig
    targets_of: ClassVar[str] = "aws.autoscaling_group"
    looks_like: ClassVar[str] = "EventBridge's aws.guardduty finding"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return is_bridged(body, "aws.guardduty", ("GuardDuty Finding",))

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        envelope = read_as(Bridged[_Detail], body, kind=KIND)
        detail = envelope.detail
        instance = detail.resource.instanceDetails or _Instance()
        seen = digest(envelope.account, envelope.region, detail.id, detail.updatedAt, detail.service.count)
        return [
            event_of(
                envelope,
                kind=KIND,
                received_at=received_at,
                event_id=f"{KIND}:{seen}",
                targets=[tag.value for tag in instance.tags if tag.key == _GROUP_TAG and tag.value],
                summary=f"GuardDuty, severity {detail.severity:g}: {detail.title or detail.type}",
                payload={
                    "finding": detail.type,
                    "finding_id": detail.id,
                    "severity": detail.severity,
                    "title": one_line(detail.title),
                    "resource": one_line(detail.resource.resourceType, 100),
                    "instance": one_line(instance.instanceId, 100),
                    "count": detail.service.count,
                },
            )
        ]

    @staticmethod
    def wanted(event: Event, config: GuardDutyConfig) -> bool:
        severity = event.payload.get("severity")
        return (
            isinstance(severity, int | float)
            and severity >= config.minimum_severity
            and like(event.payload.get("finding"), config.finding)
            and like(event.payload.get("resource"), config.resource)
        )
