"""``grafana.alert``: what Grafana's alerting posts through a webhook contact point.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/

A message tells of a group of alert instances, and each of them is an event. A notification that is repeated is the same
event, so let ``every`` keep the policy looking. The label ``setpoint_target``, where there is one, names the target.
When a query gives no data or fails, Grafana fires ``DatasourceNoData`` or ``DatasourceError`` in the rule's place, with
the rule's own name in the label ``rulename``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from setpoint.events.alerts import MAX_ALERTS, Alert, AlertConfig, Group, wants
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import Text, no_null, read_as
from setpoint.model import Event

KIND = "grafana.alert"


class GrafanaConfig(AlertConfig):
    """``kind: grafana.alert``: which alerts, by name, labels (``grafana_folder`` is one), severity and status."""

    kind: Literal["grafana.alert"]


class _Alert(Alert):
    values: dict[str, JsonValue] | None = None
    dashboardURL: Text = ""

    def event(self, kind: str, *, group: Mapping[str, JsonValue], source: str, received_at: datetime) -> Event:
        measured: dict[str, JsonValue] = {**(self.values or {})}
        more: dict[str, JsonValue] = {"values": measured, "dashboard_url": one_line(self.dashboardURL)}
        return super().event(kind, group={**group, **more}, source=source, received_at=received_at)


class _Message(Group):
    orgId: int
    alerts: Annotated[tuple[_Alert, ...], BeforeValidator(no_null)] = Field(min_length=1, max_length=MAX_ALERTS)

    def told(self) -> dict[str, JsonValue]:
        return super().told() | {"org_id": self.orgId}


class GrafanaAlert:
    """An alert instance of Grafana, firing or resolved."""

    Config: ClassVar[type[GrafanaConfig]] = GrafanaConfig
    looks_like: ClassVar[str] = "an object with alerts and orgId, as Grafana's webhook contact point posts it"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return "alerts" in body and "orgId" in body

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        return read_as(_Message, body, kind=KIND).events(KIND, source=source, received_at=received_at)

    @staticmethod
    def wanted(event: Event, config: GrafanaConfig) -> bool:
        return wants(event, config)
