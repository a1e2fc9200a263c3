"""``prometheus.alertmanager``: what Prometheus Alertmanager posts to a webhook, version 4 of the format.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config

A message tells of a group of alerts, and each alert of it is an event. An alert that goes on firing is repeated by
Alertmanager (``repeat_interval``): the repeats are the same event, so let ``every`` keep the policy looking. The label
``setpoint_target``, where there is one, names the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from setpoint.events.alerts import AlertConfig, Group, wants
from setpoint.events.examples import packaged
from setpoint.events.vendor import read_as
from setpoint.model import Event

KIND = "prometheus.alertmanager"


class AlertmanagerConfig(AlertConfig):
    """``kind: prometheus.alertmanager``: which alerts, by name, labels, severity and status."""

    kind: Literal["prometheus.alertmanager"]


class _Message(Group):
    version: Literal["4"]


class AlertmanagerAlert:
    """An alert of Prometheus Alertmanager, firing or resolved."""

    Config: ClassVar[type[AlertmanagerConfig]] = AlertmanagerConfig
    looks_like: ClassVar[str] = "an object with alerts, groupKey and version, as Alertmanager posts it"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return "alerts" in body and "groupKey" in body and "orgId" not in body  # Grafana's have an orgId

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        return read_as(_Message, body, kind=KIND).events(KIND, source=source, received_at=received_at)

    @staticmethod
    def wanted(event: Event, config: AlertmanagerConfig) -> bool:
        return wants(event, config)
