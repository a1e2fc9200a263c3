"""``azure.monitor``: an Azure Monitor alert in the common alert schema, fired or resolved.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema

The schema is the same for metric, log search and activity log alerts; it is switched on for each action of an action
group. The custom property ``setpoint_target``, where there is one, names the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, problems
from setpoint.events.vendor import Loose, Pattern, Text, like, no_null, read_as
from setpoint.model import Event, UtcDatetime, digest

KIND = "azure.monitor"
SCHEMA_ID = "azureMonitorCommonAlertSchema"
TARGET_PROPERTY = "setpoint_target"
_KEPT_RESOURCES = 10

Severity = Literal["Sev0", "Sev1", "Sev2", "Sev3", "Sev4"]
Condition = Literal["Fired", "Resolved"]


class AzureMonitorConfig(EventConfig):
    """``kind: azure.monitor``: which alerts, by rule, severity, condition and resource."""

    kind: Literal["azure.monitor"]
    rule: Pattern = Field(default="*", description="the alert rule's name, with * and ? as wildcards")
    severities: tuple[Severity, ...] = Field(default=(), description="Sev0 (critical) to Sev4; any when left out")
    conditions: tuple[Condition, ...] = Field(default=("Fired",), min_length=1, description="Fired, Resolved, or both")
    resource: Pattern = Field(
        default="*",
        description="the id of an affected resource, with * and ? as wildcards; case does not count, as in Azure",
    )


class _Essentials(Loose):
    alertId: str = Field(min_length=1, max_length=2000)
    alertRule: str = Field(min_length=1, max_length=1000)
    severity: Severity
    signalType: Text = ""
    monitorCondition: Condition
    monitoringService: Text = ""
    alertTargetIDs: Annotated[tuple[str, ...], BeforeValidator(no_null)] = ()
    firedDateTime: UtcDatetime
    resolvedDateTime: UtcDatetime | None = None
    description: Text = ""


class _Data(Loose):
    essentials: _Essentials
    customProperties: dict[str, JsonValue] | None = None


class _Message(Loose):
    schemaId: Literal["azureMonitorCommonAlertSchema"]
    data: _Data


class AzureMonitorAlert:
    """An alert of Azure Monitor."""

    Config: ClassVar[type[AzureMonitorConfig]] = AzureMonitorConfig
    looks_like: ClassVar[str] = f"an object whose schemaId is {SCHEMA_ID}"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return body.get("schemaId") == SCHEMA_ID

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        data = read_as(_Message, body, kind=KIND).data
        try:
            return [_event(data.essentials, data.customProperties or {}, received_at)]
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} alert cannot be read: {problems(error)}") from None

    @staticmethod
    def wanted(event: Event, config: AzureMonitorConfig) -> bool:
        payload = event.payload
        resources = payload.get("resources")
        return (
            payload.get("condition") in config.conditions
            and (not config.severities or payload.get("severity") in config.severities)
            and like(payload.get("rule"), config.rule)
            and (config.resource == "*" or _is_about(resources, config.resource.casefold()))
        )


def _is_about(resources: JsonValue, pattern: str) -> bool:
    return isinstance(resources, list) and any(
        isinstance(one, str) and like(one.casefold(), pattern) for one in resources
    )


def _event(alert: _Essentials, custom: Mapping[str, JsonValue], received_at: datetime) -> Event:
    over = alert.resolvedDateTime if alert.monitorCondition == "Resolved" else None
    happened = over or alert.firedDateTime
    target = custom.get(TARGET_PROPERTY)
    summary = f"{alert.alertRule} ({alert.severity}) is {alert.monitorCondition.lower()}"
    return Event(
        # The alert keeps its id when it is resolved, and a rule that fires anew makes a new one.
        event_id=f"{KIND}:{digest(alert.alertId, alert.monitorCondition, happened.isoformat())}",
        kind=KIND,
        source=one_line(alert.alertId),
        targets=(target,) if isinstance(target, str) and target else (),
        occurred_at=happened,
        received_at=received_at,
        summary=one_line(f"{summary}: {alert.description}" if alert.description else summary),
        payload={
            "rule": alert.alertRule,
            "severity": alert.severity,
            "condition": alert.monitorCondition,
            "signal_type": one_line(alert.signalType, 100),
            "monitoring_service": one_line(alert.monitoringService, 100),
            "resources": [one_line(one) for one in alert.alertTargetIDs[:_KEPT_RESOURCES]],
        },
    )
