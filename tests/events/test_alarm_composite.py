"""Composite alarms, and alarms whose messages overtake each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from setpoint.events.cloudwatch_alarm import CloudWatchAlarm, CloudWatchAlarmConfig
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]

CHILD = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:storefront-web-cpu-high"


def alarm(events: tuple[Event, ...]) -> Event:
    """The event's reading as an alarm."""
    return next(event for event in events if event.kind == "cloudwatch.alarm")


def trigger(**options: Any) -> CloudWatchAlarmConfig:
    """A policy's trigger on alarms."""
    return CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="q", **options)


@pytest.mark.parametrize("name", ["composite", "eventbridge_composite"])
def test_a_composite_alarm_tells_its_rule_and_its_children(name: str, message: Messages, read: Read) -> None:
    """From SNS and from EventBridge alike; it has no metric, and so no target of its own."""
    event = alarm(read(message(f"cloudwatch.alarm/{name}")))
    assert event.payload["rule"] == "ALARM(storefront-web-cpu-high) AND ALARM(storefront-web-latency-high)"
    assert event.payload["triggering_alarms"] == [CHILD]
    assert (event.payload["metrics"], event.targets) == ([], ())
    assert "suppressed_by" not in event.payload
    assert CloudWatchAlarm.wanted(event, trigger(alarm="storefront-is-*"))


def test_both_envelopes_of_a_composite_alarm_are_one_event(message: Messages, read: Read) -> None:
    """Subscribed twice, it counts once."""
    names = ("composite", "eventbridge_composite")
    assert len({alarm(read(message(f"cloudwatch.alarm/{name}"))).event_id for name in names}) == 1


def test_a_suppressed_alarm_wakes_only_who_asks_for_it(message: Messages, read: Read) -> None:
    """EventBridge tells of a change whose actions a suppressor holds back; SNS would not have."""
    event = alarm(read(message("cloudwatch.alarm/eventbridge_composite_suppressed")))
    assert event.payload["suppressed_by"] == "WaitPeriod"
    assert not CloudWatchAlarm.wanted(event, trigger())
    assert CloudWatchAlarm.wanted(event, trigger(suppressed=True))


@pytest.mark.parametrize("told", ["", "no JSON", "[]", "null", '{"triggeringAlarms": 7}', '{"triggeringAlarms": [{}]}'])
def test_a_reason_in_another_form_is_no_obstacle(told: str, message: Messages, read: Read) -> None:
    """Which children triggered it is for people; the event is there without."""
    body = message("cloudwatch.alarm/eventbridge_composite")
    body["detail"]["state"]["reasonData"] = told
    assert alarm(read(body)).payload["triggering_alarms"] == []


@pytest.mark.parametrize("name", ["metric", "metric_math", "eventbridge_metric"])
def test_a_metric_alarm_has_no_children(name: str, message: Messages, read: Read) -> None:
    """Rule and children are a composite alarm's."""
    assert not {"rule", "triggering_alarms"} & alarm(read(message(f"cloudwatch.alarm/{name}"))).payload.keys()


def test_an_ok_that_overtakes_its_alarm_is_told_by_its_moment(message: Messages, read: Read) -> None:
    """Both are events of their own, and whichever is read first, the order is that of the state changes."""
    ringing = message("cloudwatch.alarm/metric")
    over = {
        **ringing,
        "NewStateValue": "OK",
        "OldStateValue": "ALARM",
        "StateChangeTime": "2026-03-01T12:00:44.000+0000",
    }
    second, first = alarm(read(over)), alarm(read(ringing))
    assert second.event_id != first.event_id
    assert first.occurred_at < second.occurred_at
    assert second.received_at == first.received_at


def test_an_alarm_takes_its_time_from_the_state_not_the_envelope(message: Messages, read: Read) -> None:
    """EventBridge's own time is when it passed the event on."""
    body = message("cloudwatch.alarm/eventbridge_metric")
    assert alarm(read({**body, "time": "2026-03-01T12:00:50Z"})).occurred_at == alarm(read(body)).occurred_at


def test_a_bracket_in_a_pattern_is_a_bracket(message: Messages, read: Read) -> None:
    """Only * and ? stand for more than themselves."""
    event = alarm(read({**message("cloudwatch.alarm/metric"), "AlarmName": "web[1]"}))
    assert CloudWatchAlarm.wanted(event, trigger(alarm="web[1]"))
    assert not CloudWatchAlarm.wanted(event, trigger(alarm="web[0-9]*"))
