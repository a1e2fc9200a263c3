"""Groups of alerts, in the form that Prometheus Alertmanager made common and Grafana kept.

One message tells of a group; each alert in it is an event of its own, firing or resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import MINYEAR, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.texts import one_line, problems
from setpoint.events.vendor import Loose, Pattern, Text, like, no_null
from setpoint.model import Event, UtcDatetime, digest

MAX_ALERTS = 1000
"""Alerts one message may hold; 256 KiB hold about as many of the shortest."""
TARGET_LABEL = "setpoint_target"
"""The label whose value is a target's name. ``target`` alone is what the blackbox exporter calls its probes."""

Status = Literal["firing", "resolved"]
LabelName = Annotated[str, Field(pattern=r"^\S.{0,254}$")]


class AlertConfig(EventConfig):
    """Which alerts: the options of every kind whose messages are groups of alerts."""

    alertname: Pattern = Field(default="*", description="the alert's name, with * and ? as wildcards")
    labels: dict[LabelName, Pattern] = Field(
        default_factory=dict,
        max_length=20,
        description="labels the alert must have, each with the value, * and ? as wildcards",
    )
    severities: tuple[str, ...] = Field(
        default=(), max_length=20, description="the values its label severity may have; any, or none, when left out"
    )
    statuses: tuple[Status, ...] = Field(default=("firing",), min_length=1, description="firing, resolved, or both")


class Alert(Loose):
    """One alert of a group."""

    status: Status
    labels: dict[str, str]
    annotations: dict[str, str] | None = None
    startsAt: UtcDatetime
    endsAt: UtcDatetime | None = None
    generatorURL: Text = ""
    fingerprint: Text = ""

    @property
    def name(self) -> str:
        """The alert's name; empty when it has none."""
        return self.labels.get("alertname", "")

    @property
    def occurred_at(self) -> datetime:
        """When it began to fire, or when it was over."""
        over = self.endsAt is not None and self.endsAt.year > MINYEAR  # year 1 is how Go writes "not yet"
        return self.endsAt if self.status == "resolved" and over and self.endsAt else self.startsAt

    def event(self, kind: str, *, group: Mapping[str, JsonValue], source: str, received_at: datetime) -> Event:
        """The alert as an event.

        Its fingerprint stands for its labels, so that fingerprint, beginning and status are one state change of one
        alert: what is sent again, by a repeat interval or by the other half of a pair, is the same event.

        :raises ValidationError: its target's name is too long.
        """
        identity = digest(self.fingerprint or self.labels, self.startsAt.isoformat(), self.status)
        target = self.labels.get(TARGET_LABEL)
        annotations = self.annotations or {}
        said = annotations.get("summary") or annotations.get("description") or ""
        summary = f"{self.name or 'an alert'} is {self.status}" + (f": {said}" if said else "")
        return Event(
            event_id=f"{kind}:{identity}",
            kind=kind,
            source=source,
            targets=(target,) if target else (),
            occurred_at=self.occurred_at,
            received_at=received_at,
            summary=one_line(summary),
            payload={
                "alertname": self.name,
                "status": self.status,
                "labels": dict(self.labels),
                "annotations": {key: one_line(value) for key, value in annotations.items()},
                "started_at": self.startsAt.isoformat(),
                "fingerprint": one_line(self.fingerprint, 100),
                "url": one_line(self.generatorURL),
                **group,
            },
        )


class Group(Loose):
    """What the members of the family have in common."""

    receiver: Text = ""
    externalURL: Text = ""
    truncatedAlerts: Annotated[int, BeforeValidator(lambda value: 0 if value is None else value)] = 0
    alerts: Annotated[tuple[Alert, ...], BeforeValidator(no_null)] = Field(min_length=1, max_length=MAX_ALERTS)

    def told(self) -> dict[str, JsonValue]:
        """What of the group is kept with each of its alerts."""
        told: dict[str, JsonValue] = {"receiver": one_line(self.receiver, 200), "alerts": len(self.alerts)}
        return told | ({"truncated_alerts": self.truncatedAlerts} if self.truncatedAlerts else {})

    def events(self, kind: str, *, source: str, received_at: datetime) -> list[Event]:
        """An event for each alert of the group.

        :raises EventError: ``invalid``: a target's name is too long to be one.
        """
        where = one_line(self.externalURL, 500) or source
        try:
            return [one.event(kind, group=self.told(), source=where, received_at=received_at) for one in self.alerts]
        except ValidationError as error:
            raise EventError("invalid", f"this {kind} message cannot be read: {problems(error)}") from None


def wants(event: Event, config: AlertConfig) -> bool:
    """Whether an alert is one of those a trigger asks for."""
    labels = event.payload.get("labels")
    if not isinstance(labels, dict):
        return False
    return (
        event.payload.get("status") in config.statuses
        and like(event.payload.get("alertname"), config.alertname)
        and (not config.severities or labels.get("severity") in config.severities)
        and all(like(labels.get(name), pattern) for name, pattern in config.labels.items())
    )
