"""``google.monitoring``: an incident of Google Cloud Monitoring was opened or closed, version 1.2 of the notification.

https://cloud.google.com/monitoring/support/notification-options#webhooks (a Pub/Sub channel carries the same JSON)

An incident that stays open may be notified again; that is the same event. The policy's user label ``setpoint_target``,
where there is one, names the target. The console's test notification (``version: test``) is read like the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, problems
from setpoint.events.vendor import Loose, Pattern, Text, like, read_as
from setpoint.model import Event, digest

KIND = "google.monitoring"
TARGET_LABEL = "setpoint_target"
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""

State = Literal["open", "closed"]
Seconds = Annotated[int, Field(ge=0, le=_LAST_SECOND)]


class GoogleMonitoringConfig(EventConfig):
    """``kind: google.monitoring``: which incidents, by alerting policy, condition, severity and state."""

    kind: Literal["google.monitoring"]
    alert_policy: Pattern = Field(default="*", description="the alerting policy's name, with * and ? as wildcards")
    condition: Pattern = Field(default="*", description="the condition's name, with * and ? as wildcards")
    severities: tuple[Literal["critical", "error", "warning"], ...] = Field(
        default=(), description="critical, error, warning; any, or none, when left out"
    )
    states: tuple[State, ...] = Field(default=("open",), min_length=1, description="open, closed, or both")


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class _Named(Loose):
    type: Text = ""
    labels: Annotated[dict[str, JsonValue], BeforeValidator(_or_empty)] = Field(default_factory=dict)


class _Incident(Loose):
    incident_id: str = Field(min_length=1, max_length=500)
    scoping_project_id: Text = ""
    url: Text = ""
    started_at: Seconds | None = None
    ended_at: Seconds | None = None
    state: Annotated[State, BeforeValidator(_lower)]
    severity: Text = ""
    summary: Text = ""
    policy_name: Text = ""
    policy_user_labels: Annotated[dict[str, JsonValue], BeforeValidator(_or_empty)] = Field(default_factory=dict)
    condition_name: Text = ""
    observed_value: str | float | None = None
    threshold_value: str | float | None = None
    resource: _Named | None = None
    metric: _Named | None = None


class _Message(Loose):
    version: Literal["1.2", "test"]
    incident: _Incident


class GoogleMonitoringIncident:
    """An incident of Google Cloud Monitoring."""

    Config: ClassVar[type[GoogleMonitoringConfig]] = GoogleMonitoringConfig
    looks_like: ClassVar[str] = "an object with incident and version, as a webhook channel of Cloud Monitoring posts it"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return "incident" in body and "version" in body

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        incident = read_as(_Message, body, kind=KIND).incident
        try:
            return [_event(incident, source, received_at)]
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} notification cannot be read: {problems(error)}") from None

    @staticmethod
    def wanted(event: Event, config: GoogleMonitoringConfig) -> bool:
        payload = event.payload
        return (
            payload.get("state") in config.states
            and (not config.severities or payload.get("severity") in config.severities)
            and like(payload.get("alert_policy"), config.alert_policy)
            and like(payload.get("condition"), config.condition)
        )


def _event(incident: _Incident, source: str, received_at: datetime) -> Event:
    seconds = incident.ended_at if incident.state == "closed" and incident.ended_at else incident.started_at
    target = incident.policy_user_labels.get(TARGET_LABEL)
    name = incident.policy_name or incident.condition_name or incident.incident_id
    return Event(
        event_id=f"{KIND}:{digest(incident.scoping_project_id, incident.incident_id, incident.state)}",
        kind=KIND,
        source=one_line(incident.url) or source,
        targets=(target,) if isinstance(target, str) and target else (),
        # A test notification happened at no time.
        occurred_at=datetime.fromtimestamp(seconds, UTC) if seconds else received_at,
        received_at=received_at,
        summary=one_line(f"{name} is {incident.state}" + (f": {incident.summary}" if incident.summary else "")),
        payload={
            "incident_id": incident.incident_id,
            "project": one_line(incident.scoping_project_id, 100),
            "alert_policy": one_line(incident.policy_name),
            "condition": one_line(incident.condition_name),
            "state": incident.state,
            "severity": incident.severity.lower()[:50],
            "observed_value": _measured(incident.observed_value),
            "threshold_value": _measured(incident.threshold_value),
            "metric": one_line(incident.metric.type if incident.metric else "", 500),
            "resource": one_line(incident.resource.type if incident.resource else "", 500),
            "resource_labels": incident.resource.labels if incident.resource else {},
        },
    )


def _measured(value: str | float | None) -> JsonValue:
    return one_line(value, 100) if isinstance(value, str) else value
