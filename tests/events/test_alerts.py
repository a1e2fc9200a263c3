"""Groups of alerts: Prometheus Alertmanager and Grafana."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events.alertmanager import AlertmanagerAlert, AlertmanagerConfig
from setpoint.events.contract import EventError
from setpoint.events.grafana import GrafanaAlert, GrafanaConfig
from setpoint.events.kept import kept
from setpoint.events.routing import route_readings
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]

FIRING = "prometheus.alertmanager/firing"
GROUP = "prometheus.alertmanager/group_with_resolved"


def alertmanager(**options: Any) -> AlertmanagerConfig:
    """A policy's trigger on Alertmanager."""
    return AlertmanagerConfig(kind="prometheus.alertmanager", webhook="alertmanager", **options)


def test_each_alert_of_a_group_is_an_event(message: Messages, read: Read) -> None:
    """Firing since it started, resolved since it ended, each with its labels and what the group says."""
    firing, resolved = read(message(GROUP))

    assert [one.payload["status"] for one in (firing, resolved)] == ["firing", "resolved"]
    assert firing.occurred_at == datetime(2026, 3, 1, 11, 59, 45, 703_000, tzinfo=UTC)
    assert resolved.occurred_at == datetime(2026, 3, 1, 11, 59, 30, 703_000, tzinfo=UTC)
    assert firing.source == "https://alertmanager.example.com"
    assert firing.summary.startswith("InstanceDown is firing: 10.0.3.17:9100 has been down")
    assert firing.payload["labels"]["instance"] == "10.0.3.17:9100"  # type: ignore[index, call-overload]
    assert (firing.payload["alerts"], firing.payload["truncated_alerts"]) == (2, 2)


def test_an_alert_names_its_target_by_a_label_of_ours(message: Messages, read: Read) -> None:
    """``setpoint_target`` does; ``target``, which exporters use for what they probe, does not."""
    body = message(FIRING)
    assert read(body)[0].targets == ("storefront-web",)
    del body["alerts"][0]["labels"]["setpoint_target"]
    body["alerts"][0]["labels"]["target"] = "https://shop.example.com"
    assert read(body)[0].targets == ()


@pytest.mark.parametrize("name", [FIRING, "grafana.alert/firing"])
def test_a_repeat_is_the_same_event_and_a_change_is_another(name: str, message: Messages, read: Read) -> None:
    """Repeats, other groupings and the other half of a pair repeat an event; resolved, or firing anew, is news."""
    body = message(name)
    first = read(body)[0].event_id

    assert (
        read({**body, "receiver": "other", "groupKey": "{}:{}", "externalURL": "https://b.example.com"})[0].event_id
        == first
    )
    for change in ({"status": "resolved"}, {"startsAt": "2026-03-01T12:30:00Z"}, {"fingerprint": "ffff"}):
        changed = {**body, "alerts": [{**body["alerts"][0], **change}]}
        assert read(changed)[0].event_id != first


def test_an_alert_without_a_fingerprint_is_told_by_its_labels(message: Messages, read: Read) -> None:
    """Alertmanager sends a fingerprint since 0.16; the labels are what it stands for."""
    body = message(FIRING)
    del body["alerts"][0]["fingerprint"]
    first = read(body)[0].event_id
    assert read(body)[0].event_id == first
    body["alerts"][0]["labels"]["job"] = "other"
    assert read(body)[0].event_id != first


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"alertname": "Storefront*"}, True),
        ({"alertname": "storefront*"}, False),
        ({"alertname": "[S]torefront*"}, False),
        ({"labels": {"team": "store*", "job": "storefront"}}, True),
        ({"labels": {"team": "store*", "job": "other"}}, False),
        ({"labels": {"missing": "*"}}, False),
        ({"severities": ("critical", "page")}, True),
        ({"severities": ("warning",)}, False),
        ({"statuses": ("resolved",)}, False),
        ({"statuses": ("resolved", "firing")}, True),
    ],
)
def test_an_alert_is_wanted_by_name_labels_severity_and_status(
    options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Every option must agree; only firing alerts are wanted unless more is said."""
    assert AlertmanagerAlert.wanted(read(message(FIRING))[0], alertmanager(**options)) is wanted


def test_a_resolved_alert_is_not_wanted_by_default(message: Messages, read: Read) -> None:
    """Of a group only the firing alert wakes the policy."""
    assert [AlertmanagerAlert.wanted(one, alertmanager()) for one in read(message(GROUP))] == [True, False]


def test_an_alert_without_severity_has_none_of_those_asked_for(message: Messages, read: Read) -> None:
    """What is not labelled is not critical."""
    body = message(FIRING)
    del body["alerts"][0]["labels"]["severity"]
    (event,) = read(body)
    assert AlertmanagerAlert.wanted(event, alertmanager())
    assert not AlertmanagerAlert.wanted(event, alertmanager(severities=("critical",)))


def test_a_group_wakes_each_policy_for_its_own_alerts(
    message: Messages, read: Read, policy: Callable[..., Any]
) -> None:
    """The alerts of one message go apart; when nobody wants any, all of them are kept as unwanted."""
    policies = [
        policy("firing", alertmanager()),
        policy("over", alertmanager(statuses=("resolved",), labels={"instance": "10.0.3.18:*"})),
    ]
    routed = route_readings(read(message(GROUP)), policies)
    assert [(one.event.payload["status"], one.policies) for one in routed] == [
        ("firing", ("firing",)),
        ("resolved", ("over",)),
    ]
    nobody = route_readings(read(message(GROUP)), [])
    assert [one.policies for one in nobody] == [(), ()]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": "3"}, "version: '3'"),
        ({"alerts": []}, "alerts"),
        ({"alerts": None}, "alerts"),
        ({"alerts": [{}]}, "alerts.0.status: missing; alerts.0.labels: missing; alerts.0.startsAt: missing"),
        ({"alerts": [{"status": "firing", "labels": {"a": 1}, "startsAt": "now"}]}, "alerts.0.labels.a: 1"),
        ({"alerts": [{"status": "pending", "labels": {}, "startsAt": "2026-03-01T12:00:00"}]}, "timezone"),
    ],
)
def test_every_problem_of_a_group_is_listed(change: dict[str, Any], says: str, message: Messages, read: Read) -> None:
    """A group that cannot be read is refused as a whole, with paths and values."""
    with pytest.raises(EventError) as caught:
        read({**message(FIRING), **change})
    assert caught.value.code == "invalid"
    assert says in str(caught.value)


def test_a_target_that_is_no_name_is_refused(message: Messages, read: Read) -> None:
    """A label of a thousand characters is not looked for among the targets."""
    body = message(FIRING)
    body["alerts"][0]["labels"]["setpoint_target"] = "x" * 1000
    with pytest.raises(EventError, match=r"targets\.0"):
        read(body)


def test_what_is_large_is_matched_whole_and_kept_small(message: Messages, read: Read) -> None:
    """A filter sees every label, however many there are; the ledger gets to know how many characters they had."""
    body = message(FIRING)
    body["alerts"][0]["labels"] |= {f"label_{number}": "é" * 100 for number in range(100)}
    (event,) = read(body)
    assert AlertmanagerAlert.wanted(event, alertmanager(labels={"label_99": "é*"}))
    small = kept(event)
    assert "labels" not in small.payload
    assert small.payload["labels_left_out_characters"] > 10_000  # type: ignore[operator]
    assert small.event_id == event.event_id


def test_grafanas_alerts_have_their_values(message: Messages, read: Read) -> None:
    """What the expressions came to and which organisation asked stand in the payload."""
    firing, resolved = read(message("grafana.alert/firing"))
    assert firing.kind == "grafana.alert"
    assert firing.payload["values"] == {"B": 91.23943737541908, "C": 1}
    assert resolved.payload["values"] == {}
    assert firing.payload["org_id"] == 1
    assert firing.occurred_at == datetime(2026, 3, 1, 12, 0, 10, 157_076, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("firing", {"alertname": "High CPU*", "labels": {"grafana_folder": "storefront"}}, True),
        ("firing", {"labels": {"grafana_folder": "other"}}, False),
        ("no_data", {"alertname": "High CPU*"}, False),
        ("no_data", {"alertname": "DatasourceNoData", "labels": {"rulename": "High CPU*"}}, True),
    ],
)
def test_a_grafana_alert_is_wanted_by_folder_and_rule(
    name: str, options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """A rule without data fires under another name, with its own in a label."""
    config = GrafanaConfig(kind="grafana.alert", webhook="grafana", **options)
    assert GrafanaAlert.wanted(read(message(f"grafana.alert/{name}"))[0], config) is wanted
