"""Reading whatever arrives, and routing events to the policies that want them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.events.cloudwatch_alarm import CloudWatchAlarmConfig
from setpoint.events.contract import EventError
from setpoint.events.eventbridge import EventBridgeConfig
from setpoint.events.intake import event_kinds, read_message
from setpoint.events.plain_json import PlainJsonConfig
from setpoint.events.queues import QueueRef, queues_of
from setpoint.events.rejects import REJECTS
from setpoint.events.routing import route, route_readings
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]
Policies = Callable[..., Any]

ALARM = CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="events")
JSON = PlainJsonConfig(kind="json", queue="events")
BRIDGE = EventBridgeConfig(kind="eventbridge", queue="events")

_KINDS = event_kinds()
_keys = st.sampled_from(["AlarmName", "NewStateValue", "Trigger", "Metrics", "Dimensions", "StateChangeTime"]) | (
    st.sampled_from(["policy", "targets", "request", "id", "source", "detail-type", "detail", "resources", "time"])
    | st.sampled_from(["Type", "Message", "MessageId", "TopicArn"])
)
_leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["ALARM", "aws.cloudwatch", "CloudWatch Alarm State Change", "2026-03-01T12:00:00Z"])
    | st.sampled_from(["Notification", "SubscriptionConfirmation", "{}", '{"policy": "web"}'])
)
_value = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys | st.text(max_size=5), inner, max_size=6)
)


@given(st.dictionaries(_keys, _value, max_size=10))
def test_no_message_crashes_the_reading(body: dict[str, Any]) -> None:
    """Any JSON object gives events or a listed reason, whatever its keys promise."""
    refused: EventError | None = None
    events: tuple[Event, ...] = ()
    try:
        events = read_message(
            json.dumps(body),
            message_id="m",
            source="s",
            received_at=datetime(2026, 3, 1, tzinfo=UTC),
            kinds=_KINDS,
        )
    except EventError as error:
        refused = error
    if refused is not None:
        assert refused.code in REJECTS
        assert refused.code != "kind_failed"
        assert len(str(refused)) < 20_000
        return
    assert events
    for event in events:
        assert Event.model_validate(json.loads(json.dumps(event.to_json()))) == event


def test_a_kind_with_a_bug_is_a_reject_not_a_crash(received_at: datetime) -> None:
    """Somebody else's parser that raises loses its message with a reason; it does not stop the queue."""

    class Broken:
        looks_like = "anything"

        @staticmethod
        def recognises(body: Any) -> bool:
            return True

        @staticmethod
        def parse(body: Any, **rest: Any) -> list[Event]:
            raise KeyError("oops")

    with pytest.raises(EventError, match="event kind 'broken': KeyError: 'oops'") as caught:
        read_message("{}", message_id="m", source="s", received_at=received_at, kinds={"broken": Broken})
    assert caught.value.code == "kind_failed"


def test_an_event_goes_to_every_policy_that_wants_it(message: Messages, read: Read, policy: Policies) -> None:
    """Kind and filter decide, in the policies' order."""
    (event,) = read(message("cloudwatch.alarm/metric"))
    other = CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="events", alarm="other-*")
    policies = [policy("a", ALARM), policy("b", JSON), policy("c", other), policy("d", JSON, ALARM), policy("e")]
    assert route(event, policies) == ("a", "d")


def test_an_event_nobody_wants_has_no_policy(message: Messages, read: Read, policy: Policies) -> None:
    """It is an answer, not an error: the inbox keeps it as unwanted."""
    events = read(message("cloudwatch.alarm/metric"))
    assert route(events[0], [policy("b", JSON)]) == ()
    (kept,) = route_readings(events, [policy("b", JSON)])
    assert kept.policies == ()


def test_targets_choose_among_policies_that_name_theirs(message: Messages, read: Read, policy: Policies) -> None:
    """A policy that names other targets is not woken; one that finds its targets by tags may have it."""
    (event,) = read(message("cloudwatch.alarm/metric"))
    policies = [
        policy("web", ALARM, targets=("storefront-web", "x")),
        policy("api", ALARM, targets=("api",)),
        policy("tags", ALARM),
    ]
    assert route(event, policies) == ("web", "tags")


def test_a_target_nobody_has_is_refused(message: Messages, read: Read, policy: Policies) -> None:
    """The reason names the target, a near one, and what is known."""
    (event,) = read(message("cloudwatch.alarm/metric"))
    with pytest.raises(EventError, match=r"'storefront-web' \(did you mean 'storefront-wep'\?\)") as caught:
        route(event, [policy("p", ALARM, targets=("storefront-wep",))])
    assert caught.value.code == "unknown_target"


def test_an_addressed_event_goes_to_its_policy_alone(read: Read, policy: Policies) -> None:
    """Other policies with the same trigger are left asleep."""
    (event,) = read({"policy": "b"})
    assert route(event, [policy("a", JSON), policy("b", JSON)]) == ("b",)


def test_an_unknown_policy_is_refused_with_a_suggestion(read: Read, policy: Policies) -> None:
    """A typing mistake is found again."""
    (event,) = read({"policy": "storefront-wbe"})
    with pytest.raises(EventError, match="did you mean 'storefront-web'") as caught:
        route(event, [policy("storefront-web", JSON)])
    assert caught.value.code == "unknown_policy"


def test_an_addressed_event_may_name_only_the_policys_targets(read: Read, policy: Policies) -> None:
    """One wrong name among right ones refuses the message: a request is carried out as asked, or not."""
    (event,) = read({"policy": "a", "targets": ["web", "wbe"]})
    with pytest.raises(EventError, match="no target 'wbe'") as caught:
        route(event, [policy("a", JSON, targets=("web", "api"))])
    assert caught.value.code == "unknown_target"


def test_a_policy_that_does_not_listen_for_json_is_not_woken_by_it(read: Read, policy: Policies) -> None:
    """Being addressed is not consent: the policy's own triggers are."""
    (event,) = read({"policy": "a"})
    assert route(event, [policy("a", ALARM)]) == ()


def test_each_policy_gets_the_reading_it_asked_for(message: Messages, read: Read, policy: Policies) -> None:
    """An alarm from EventBridge reaches an alarm trigger as an alarm and an eventbridge trigger as an event."""
    routed = route_readings(
        read(message("cloudwatch.alarm/eventbridge_metric")), [policy("alarms", ALARM), policy("events", BRIDGE)]
    )
    assert {one.event.kind: one.policies for one in routed} == {
        "cloudwatch.alarm": ("alarms",),
        "eventbridge": ("events",),
    }


def test_an_unwanted_reading_is_left_out_when_another_is_wanted(
    message: Messages, read: Read, policy: Policies
) -> None:
    """One message is not kept twice, once wanted and once unwanted."""
    routed = route_readings(read(message("cloudwatch.alarm/eventbridge_metric")), [policy("events", BRIDGE)])
    assert [one.event.kind for one in routed] == ["eventbridge"]


URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"


def at_host(host: str) -> str:
    return f"https://{host}/123456789012/events"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("aws_default", None, "events"), ("aws_default", None, "events"), True),
        (("aws_default", None, "events"), ("aws_default", "eu-west-1", "events"), True),
        (("aws_default", "us-east-1", "events"), ("aws_default", "eu-west-1", "events"), False),
        (("aws_default", None, "events"), ("other", None, "events"), False),
        (("aws_default", None, "events"), ("aws_default", None, "other"), False),
        (("aws_default", None, URL), ("aws_default", None, "events"), True),
        (("aws_default", None, URL), ("other", None, URL), True),
        (("aws_default", None, URL), ("aws_default", None, URL.replace("123456789012", "1")), False),
        (("aws_default", None, URL), ("aws_default", None, at_host("sqs.us-east-1.amazonaws.com")), False),
        (("aws_default", None, URL), ("aws_default", None, at_host("us-east-1.queue.amazonaws.com")), False),
        (("aws_default", None, URL), ("aws_default", None, at_host("queue.amazonaws.com")), False),
        (("aws_default", None, URL), ("aws_default", None, at_host("sqs.cn-north-1.amazonaws.com.cn")), False),
        (("aws_default", None, URL), ("aws_default", None, at_host("sqs.us-gov-west-1.amazonaws.com")), False),
        (("aws_default", None, URL), ("aws_default", None, at_host("SQS.eu-west-1.amazonaws.com:443") + "/"), True),
        (("aws_default", None, URL), ("aws_default", None, at_host("eu-west-1.queue.amazonaws.com")), True),
        (("aws_default", None, URL), ("aws_default", None, at_host("sqs-fips.eu-west-1.amazonaws.com")), True),
        (("aws_default", None, URL), ("aws_default", None, at_host("sqs.eu-west-1.api.aws")), True),
        (("aws_default", None, URL), ("aws_default", None, at_host("vpce-1.sqs.eu-west-1.vpce.amazonaws.com")), True),
        (("aws_default", None, URL), ("aws_default", None, at_host("localhost:4566")), True),
        (
            ("aws_default", None, at_host("queue.amazonaws.com")),
            ("aws_default", None, at_host("sqs.us-east-1.amazonaws.com")),
            True,
        ),
    ],
)
def test_a_queue_is_the_same_however_it_is_named(one: tuple[Any, ...], other: tuple[Any, ...], same: bool) -> None:
    """By name with the same connection, or by URL of one region; never across connections by name alone."""
    first = QueueRef(connection=one[0], region=one[1], queue=one[2])
    second = QueueRef(connection=other[0], region=other[1], queue=other[2])
    assert first.same_queue(second) is second.same_queue(first) is same


def test_an_event_from_another_queue_wakes_nobody(message: Messages, read: Read, policy: Policies) -> None:
    """A policy listens on its own queue only."""
    (event,) = read(message("cloudwatch.alarm/metric"))
    elsewhere = CloudWatchAlarmConfig(kind="cloudwatch.alarm", queue="elsewhere")
    queue = QueueRef(connection="aws_default", queue="events")
    assert route(event, [policy("here", ALARM), policy("there", elsewhere)], queue) == ("here",)


def test_a_policys_queues_are_listed_once(policy: Policies) -> None:
    """Two triggers on one queue make one queue."""
    assert [queue.queue for queue in queues_of(policy("a", ALARM, JSON))] == ["events"]
