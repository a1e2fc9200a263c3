"""Azure Monitor and Google Cloud Monitoring."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events.azure_monitor import AzureMonitorAlert, AzureMonitorConfig
from setpoint.events.contract import EventError
from setpoint.events.google_monitoring import GoogleMonitoringConfig, GoogleMonitoringIncident
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]


def test_an_azure_alert_is_read(message: Messages, read: Read) -> None:
    """Rule, severity, condition, resource and target; seven digits of a second are no obstacle."""
    (event,) = read(message("azure.monitor/metric_fired"))
    assert event.targets == ("storefront-web",)
    assert event.occurred_at == datetime(2026, 3, 1, 12, 0, 24, 371_321, tzinfo=UTC)
    assert event.summary == "storefront-cpu-high (Sev1) is fired: CPU of the web fleet is high"
    assert event.source.endswith("/alerts/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e")
    assert event.payload["signal_type"] == "Metric"


def test_a_resolved_azure_alert_occurred_when_it_was_resolved(message: Messages, read: Read) -> None:
    """It is another event than the alert that fired, under the same alert id."""
    body = message("azure.monitor/log_resolved")
    (resolved,) = read(body)
    essentials = body["data"]["essentials"]
    essentials["monitorCondition"] = "Fired"
    (fired,) = read(body)
    assert resolved.occurred_at == datetime(2026, 3, 1, 12, 0, 16, 224_631, tzinfo=UTC)
    assert fired.occurred_at == datetime(2026, 3, 1, 11, 48, 2, 224_631, tzinfo=UTC)
    assert resolved.event_id != fired.event_id


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"rule": "storefront-*"}, True),
        ({"rule": "other"}, False),
        ({"severities": ("Sev0", "Sev1")}, True),
        ({"severities": ("Sev2",)}, False),
        ({"conditions": ("Resolved",)}, False),
        ({"resource": "*/resourceGroups/Storefront/*/storefront-web"}, True),
        ({"resource": "*/virtualmachines/*"}, False),
    ],
)
def test_an_azure_alert_is_wanted_by_its_essentials(
    options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Every option must agree; the case of a resource's id does not count, since Azure's varies."""
    (event,) = read(message("azure.monitor/metric_fired"))
    config = AzureMonitorConfig(kind="azure.monitor", webhook="azure", **options)
    assert AzureMonitorAlert.wanted(event, config) is wanted


def test_every_problem_of_an_azure_alert_is_listed(message: Messages, read: Read) -> None:
    """A severity that does not exist and a missing time, at once."""
    body = message("azure.monitor/metric_fired")
    body["data"]["essentials"] |= {"severity": "Sev9", "firedDateTime": None}
    with pytest.raises(EventError) as caught:
        read(body)
    for part in ("data.essentials.severity: 'Sev9'", "data.essentials.firedDateTime: None"):
        assert part in str(caught.value)


def test_the_older_schemas_of_azure_are_not_taken_for_the_common_one(read: Read, message: Messages) -> None:
    """An action without the common alert schema is refused as unknown, which says what is known."""
    with pytest.raises(EventError, match="azureMonitorCommonAlertSchema") as caught:
        read({**message("azure.monitor/metric_fired"), "schemaId": "AzureMonitorMetricAlert"})
    assert caught.value.code == "unknown_kind"


def test_a_google_incident_is_read(message: Messages, read: Read) -> None:
    """Policy, condition, severity, what was measured, and the target among the policy's labels."""
    (event,) = read(message("google.monitoring/opened"))
    assert event.targets == ("storefront-web",)
    assert event.occurred_at == datetime(2026, 3, 1, 12, 0, 46, tzinfo=UTC)
    assert event.summary.startswith("Storefront CPU is open: CPU utilization for storefront-prod")
    assert (event.payload["severity"], event.payload["observed_value"]) == ("critical", "0.912")


def test_an_incident_that_closes_is_another_event(message: Messages, read: Read) -> None:
    """It occurred when it ended; reminding of an open one is no news."""
    body = message("google.monitoring/opened")
    (opened,) = read(body)
    (closed,) = read({**message("google.monitoring/closed")})
    body["incident"]["observed_value"] = "0.95"
    assert read(body)[0].event_id == opened.event_id != closed.event_id
    assert closed.occurred_at == datetime(2026, 3, 1, 12, 10, 46, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"alert_policy": "Storefront *"}, True),
        ({"alert_policy": "Checkout *"}, False),
        ({"condition": "CPU above*"}, True),
        ({"condition": "Memory*"}, False),
        ({"severities": ("critical",)}, True),
        ({"severities": ("warning", "error")}, False),
        ({"states": ("closed",)}, False),
    ],
)
def test_a_google_incident_is_wanted_by_policy_and_state(
    options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Every option must agree; only an incident that opens is wanted unless more is said."""
    (event,) = read(message("google.monitoring/opened"))
    config = GoogleMonitoringConfig(kind="google.monitoring", webhook="google", **options)
    assert GoogleMonitoringIncident.wanted(event, config) is wanted


def test_the_consoles_test_notification_is_read(read: Read, received_at: datetime) -> None:
    """Trying the channel shows that the path works: the event happened when it arrived."""
    (event,) = read(
        {
            "version": "test",
            "incident": {
                "incident_id": "12345",
                "scoping_project_id": "12345",
                "started_at": 0,
                "ended_at": 0,
                "state": "OPEN",
                "summary": "Test Incident",
                "policy_name": "projects/12345/alertPolicies/12345",
                "documentation": "Test documentation",
            },
        }
    )
    assert event.occurred_at == received_at
    assert event.payload["state"] == "open"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": "acknowledged"}, "incident.state: 'acknowledged'"),
        ({"started_at": -1}, "incident.started_at: -1"),
        ({"started_at": 10**15}, "incident.started_at: 1000000000000000"),
        ({"incident_id": ""}, "incident.incident_id: ''"),
        ({"resource": []}, "incident.resource"),
    ],
)
def test_every_problem_of_an_incident_is_listed(
    change: dict[str, Any], says: str, message: Messages, read: Read
) -> None:
    """Path and value of what cannot be read."""
    body = message("google.monitoring/opened")
    with pytest.raises(EventError) as caught:
        read({**body, "incident": {**body["incident"], **change}})
    assert caught.value.code == "invalid"
    assert says in str(caught.value)
