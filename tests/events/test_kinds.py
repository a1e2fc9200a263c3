"""The three event kinds, on messages as their senders document them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events import EVENTS
from setpoint.events.cloudwatch_alarm import CloudWatchAlarm, CloudWatchAlarmConfig
from setpoint.events.contract import EventError
from setpoint.events.eventbridge import EventBridgeConfig, EventBridgeEvent
from setpoint.events.kept import kept
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]


def _alarm(events: tuple[Event, ...]) -> Event:
    return next(event for event in events if event.kind == "cloudwatch.alarm")


def _bridged(events: tuple[Event, ...]) -> Event:
    return next(event for event in events if event.kind == "eventbridge")


@pytest.mark.parametrize(
    ("name", "targets", "metrics"),
    [
        ("cloudwatch.alarm/metric", ("storefront-web",), ["AWS/EC2/CPUUtilization"]),
        (
            "cloudwatch.alarm/metric_math",
            ("storefront-web",),
            ["AWS/ApplicationELB/RequestCount", "AWS/AutoScaling/GroupInServiceInstances"],
        ),
        ("cloudwatch.alarm/composite", (), []),
        ("cloudwatch.alarm/eventbridge_metric", ("storefront-web",), ["AWS/EC2/CPUUtilization"]),
        ("cloudwatch.alarm/eventbridge_composite", (), []),
    ],
)
def test_every_shape_of_an_alarm_is_read(
    name: str, targets: tuple[str, ...], metrics: list[str], message: Messages, read: Read
) -> None:
    """Metric, metric-math and composite alarms, from SNS and from EventBridge."""
    event = _alarm(read(message(name)))
    assert event.targets == targets
    assert event.payload["metrics"] == metrics
    assert event.payload["state"] == "ALARM"
    assert event.source.startswith("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:storefront-")
    assert event.occurred_at.replace(microsecond=0, second=0) == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert event.policy is None


def test_an_alarm_says_what_it_says(message: Messages, read: Read) -> None:
    """Summary and payload carry the alarm's own words and numbers."""
    event = _alarm(read(message("cloudwatch.alarm/metric")))
    assert event.summary.startswith("storefront-web-cpu-high is ALARM: Threshold Crossed: 3 out of the last 5")
    assert event.payload["previous_state"] == "OK"
    assert event.payload["dimensions"] == ["AutoScalingGroupName=storefront-web"]
    assert event.occurred_at == datetime(2026, 3, 1, 12, 0, 42, 236_000, tzinfo=UTC)


def test_one_state_change_has_one_identity_whichever_way_it_came(
    message: Messages, read: Read, in_sns: Callable[..., str]
) -> None:
    """SNS twice under different ids, raw delivery and EventBridge give one event id."""
    ways = [
        in_sns(message("cloudwatch.alarm/metric"), "publication-1"),
        in_sns(message("cloudwatch.alarm/metric"), "publication-2"),
        json.dumps(message("cloudwatch.alarm/metric")),
        json.dumps(message("cloudwatch.alarm/eventbridge_metric")),
    ]
    assert len({_alarm(read(body, f"sqs-{number}")).event_id for number, body in enumerate(ways)}) == 1


@pytest.mark.parametrize(
    ("key", "value"), [("NewStateValue", "OK"), ("StateChangeTime", "2026-03-01T12:05:42.236+0000"), ("AlarmArn", "b")]
)
def test_another_state_change_has_another_identity(key: str, value: str, message: Messages, read: Read) -> None:
    """The next alarm of the same name is news, not a duplicate."""
    alarm = message("cloudwatch.alarm/metric")
    assert _alarm(read({**alarm, key: value})).event_id != _alarm(read(alarm)).event_id


def test_an_alarm_without_its_arn_still_has_an_identity(message: Messages, read: Read) -> None:
    """Messages of before AlarmArn existed are told apart by account, region and name."""
    alarm = message("cloudwatch.alarm/metric")
    del alarm["AlarmArn"]
    other = {**alarm, "AWSAccountId": "210987654321"}
    assert read(alarm)[0].event_id == read(alarm)[0].event_id != read(other)[0].event_id


def test_every_problem_of_an_alarm_is_listed(message: Messages, read: Read) -> None:
    """Three mistakes are three problems, each with its path and value."""
    alarm = {**message("cloudwatch.alarm/metric"), "NewStateValue": "BURNING", "StateChangeTime": "yesterday"}
    alarm["Trigger"] = {**alarm["Trigger"], "Dimensions": [{"name": "AutoScalingGroupName"}]}
    with pytest.raises(EventError) as caught:
        read(alarm)
    assert caught.value.code == "invalid"
    for part in ("NewStateValue: 'BURNING'", "StateChangeTime: 'yesterday'", "Trigger.Dimensions.0.value: missing"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, True),
        ({"alarm": "storefront-*"}, True),
        ({"alarm": "storefront-web-cpu-high"}, True),
        ({"alarm": "STOREFRONT-*"}, False),
        ({"alarm": "other-*"}, False),
        ({"states": ("OK",)}, False),
        ({"states": ("OK", "ALARM")}, True),
    ],
)
def test_an_alarm_is_wanted_by_name_and_state(
    config: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """The name's pattern is the policy's, case counts, and only ALARM is wanted unless more is said."""
    event = _alarm(read(message("cloudwatch.alarm/metric")))
    assert CloudWatchAlarm.wanted(event, CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="q", **config)) is wanted


def test_an_alarm_that_is_over_is_not_wanted_by_default(message: Messages, read: Read) -> None:
    """Back to OK wakes nobody who did not ask for it."""
    event = _alarm(read({**message("cloudwatch.alarm/metric"), "NewStateValue": "OK"}))
    assert not CloudWatchAlarm.wanted(event, CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="q"))


def test_a_pattern_in_the_alarms_own_name_matches_nothing_else(message: Messages, read: Read) -> None:
    """An alarm named * is a name, not a pattern."""
    event = _alarm(read({**message("cloudwatch.alarm/metric"), "AlarmName": "*"}))
    config = CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="q", alarm="storefront-*")
    assert not CloudWatchAlarm.wanted(event, config)


def test_an_eventbridge_event_is_read(message: Messages, read: Read) -> None:
    """Identity, time, targets and the few fields worth keeping come out of the envelope."""
    event = _bridged(read(message("eventbridge/launch_unsuccessful")))
    assert event.event_id == "eventbridge:12345678-1234-1234-1234-123456789012"
    assert event.targets == ("storefront-web",)
    assert event.occurred_at == datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    assert event.summary == "aws.autoscaling: EC2 Instance Launch Unsuccessful"
    assert "sufficient m5.large capacity" in str(event.payload["detail"])


def test_a_large_detail_is_left_out_and_said_so(message: Messages, read: Read) -> None:
    """A payload stays small."""
    body = message("eventbridge/launch_unsuccessful")
    body["detail"]["Cause"] = "x" * 10_000
    event = kept(_bridged(read(body)))
    assert "detail" not in event.payload
    assert event.payload["detail_left_out_characters"] > 10_000  # type: ignore[operator]


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, True),
        ({"source": "aws.*"}, True),
        ({"source": "aws.ec2"}, False),
        ({"detail_type": "EC2 Instance Launch *"}, True),
        ({"source": "aws.autoscaling", "detail_type": "EC2 Instance Terminate *"}, False),
    ],
)
def test_an_eventbridge_event_is_wanted_by_source_and_type(
    config: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Both patterns must match."""
    event = _bridged(read(message("eventbridge/launch_unsuccessful")))
    assert EventBridgeEvent.wanted(event, EventBridgeConfig(kind="eventbridge", queue="q", **config)) is wanted


def test_an_alarm_from_eventbridge_can_be_read_both_ways(message: Messages, read: Read) -> None:
    """It is an alarm and an EventBridge event; the policies' triggers choose."""
    assert {event.kind for event in read(message("cloudwatch.alarm/eventbridge_metric"))} == {
        "cloudwatch.alarm",
        "eventbridge",
    }


def test_a_plain_request_is_read(read: Read, received_at: datetime) -> None:
    """Policy, targets and request come through, asked for by where the message came from."""
    (event,) = read(
        {
            "policy": "storefront-web",
            "targets": ["web-1", "web-2", "web-1"],
            "summary": "campaign",
            "id": "deploy-4711",
            "request": {"wanted_units": 6, "dry_run": True, "reason": "{{ conf }} <b>$(rm -rf)</b>"},
        }
    )
    assert event.event_id == "json:id:storefront-web:deploy-4711"
    assert event.targets == ("web-1", "web-2")
    assert event.occurred_at == received_at
    assert event.request is not None
    assert event.request.wanted_units == 6
    assert event.request.dry_run
    assert event.request.reason == "{{ conf }} <b>$(rm -rf)</b>"
    assert event.request.requested_by == "sqs:test"


def test_a_plain_message_without_an_id_has_the_deliverys(read: Read, in_sns: Callable[..., str]) -> None:
    """SQS's id when it came directly, SNS's when SNS carried it."""
    assert read({"policy": "web"}, "sqs-7")[0].event_id == "json:message:sqs-7"
    assert read(in_sns({"policy": "web"}, "sns-7"), "sqs-8")[0].event_id == "json:message:sns-7"


def test_an_id_belongs_to_its_policy(read: Read) -> None:
    """Two senders numbering from 1 for two policies do not swallow each other's events."""
    assert read({"policy": "a", "id": "1"})[0].event_id != read({"policy": "b", "id": "1"})[0].event_id


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"targets": []}, ["policy, targets or data says whom the message is for"]),
        ({"targets": ["web"], "request": {"wanted_units": 3}}, ["a request names the policy"]),
        ({"policy": "web", "polcy": "web"}, ["polcy: unknown key"]),
        ({"policy": "web", "request": {"wanted_units": "6"}}, ["request.wanted_units: '6'", "integer"]),
        ({"policy": "web", "request": {"wanted_units": True}}, ["request.wanted_units: True"]),
        (
            {"policy": "web", "request": {"wanted_units": -1}},
            ["request.wanted_units: -1", "greater than or equal to 0"],
        ),
        ({"policy": "web", "request": {"wanted_units": 10**30}}, ["less than or equal to 1000000"]),
        ({"policy": "web", "occurred_at": "2026-03-01T12:00:00"}, ["occurred_at", "timezone"]),
        (
            {"policy": 7, "targets": "web", "summary": 1, "request": {"dry_run": "yes", "x": 1}},
            ["policy: 7", "targets: 'web'", "summary: 1", "request.dry_run: 'yes'", "request.x: unknown key"],
        ),
    ],
)
def test_every_problem_of_a_plain_message_is_listed(body: dict[str, Any], says: list[str], read: Read) -> None:
    """Path, value and what is allowed, for every mistake at once; nothing is converted."""
    with pytest.raises(EventError) as caught:
        read(body)
    assert caught.value.code == "invalid"
    for part in says:
        assert part in str(caught.value)


def test_an_unknown_kind_says_what_is_known(read: Read) -> None:
    """The error names every kind and how it looks, and the keys that were there."""
    with pytest.raises(EventError) as caught:
        read({"hello": "world"})
    assert caught.value.code == "unknown_kind"
    assert "'hello'" in str(caught.value)
    for name in EVENTS:
        assert name in str(caught.value)


@pytest.mark.parametrize("name", list(EVENTS))
def test_a_registered_kind_keeps_the_contract(name: str, message: Messages, received_at: datetime) -> None:
    """Whatever is registered recognises without raising and refuses garbage with EventError only."""
    kind = EVENTS.load(name)
    assert kind.Config(kind=name, queue="q").queue == "q"
    assert isinstance(kind.looks_like, str)
    for body in (
        {},
        {"AlarmName": [], "NewStateValue": {}},
        message("cloudwatch.alarm/eventbridge_metric"),
        {"policy": None},
    ):
        if kind.recognises(copy.deepcopy(body)):
            with suppress(EventError):
                events = kind.parse(body, message_id="m", source="s", received_at=received_at)
                assert all(event.kind == name for event in events)
