"""What AWS says of its state over EventBridge: Auto Scaling, Spot, ECS, Health and GuardDuty."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events import EVENTS
from setpoint.events.contract import EventError
from setpoint.events.routing import route
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]
GROUP = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:cc0d2b1e:autoScalingGroupName/storefront-web"


def its_own(events: tuple[Event, ...]) -> Event:
    """The reading of the kind of its own; ``eventbridge`` reads every one as well."""
    assert [one.kind for one in events].count("eventbridge") == 1
    (event,) = [one for one in events if one.kind != "eventbridge"]
    return event


def wants(event: Event, /, **options: Any) -> bool:
    """Whether a trigger of the event's kind, with these options, wants it."""
    kind = EVENTS.load(event.kind)
    wanted: bool = kind.wanted(event, kind.Config(kind=event.kind, queue="q", **options))
    return wanted


@pytest.mark.parametrize(
    ("name", "targets", "summary"),
    [
        (
            "aws.autoscaling/launch_unsuccessful",
            ("storefront-web",),
            "storefront-web: EC2 Instance Launch Unsuccessful: We currently do not have sufficient m5.large capacity",
        ),
        (
            "aws.autoscaling/launch_successful",
            ("storefront-web",),
            "storefront-web: EC2 Instance Launch Successful: At",
        ),
        ("aws.ec2_spot/interruption", (), "Spot Instance i-1234567890abcdef0: EC2 will terminate it in two minutes"),
        ("aws.ec2_spot/rebalance", (), "Spot Instance i-1234567890abcdef0: EC2 may interrupt it soon"),
        (
            "aws.ecs/service_placement_failure",
            ("prod/checkout",),
            "ECS prod/checkout: SERVICE_TASK_PLACEMENT_FAILURE: RESOURCE:FARGATE",
        ),
        (
            "aws.ecs/deployment_failed",
            ("prod/checkout",),
            "ECS prod/checkout: SERVICE_DEPLOYMENT_FAILED: ECS deployment circuit breaker: task failed to start.",
        ),
        (
            "aws.ecs/task_stopped",
            ("prod/checkout",),
            "ECS prod/checkout: task c13b4cb40f1f4fe4a2971f76ae5a47ad is STOPPED: EssentialContainerExited: Essential",
        ),
        (
            "aws.health/issue",
            (),
            "AWS Health, ELASTICLOADBALANCING: AWS_ELASTICLOADBALANCING_OPERATIONAL_ISSUE: We are",
        ),
        (
            "aws.guardduty/finding",
            ("storefront-web",),
            "GuardDuty, severity 8: A Bitcoin-related domain name was queried",
        ),
    ],
)
def test_it_says_what_happened_to_whom(
    name: str, targets: tuple[str, ...], summary: str, message: Messages, read: Read
) -> None:
    """Each event names its target where AWS does, and tells a person in one line what happened and when."""
    event = its_own(read(message(name)))
    assert event.kind == name.partition("/")[0]
    assert event.targets == targets
    assert event.summary.startswith(summary)
    assert event.occurred_at == datetime.fromisoformat(message(name)["time"])
    assert (event.payload["account"], event.payload["region"]) == ("123456789012", "eu-west-1")


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("aws.autoscaling/launch_unsuccessful", {}, True),
        ("aws.autoscaling/terminate_unsuccessful", {}, True),
        ("aws.autoscaling/launch_successful", {}, False),
        ("aws.autoscaling/terminate_successful", {}, False),
        ("aws.autoscaling/terminate_successful", {"activities": ["terminated"]}, True),
        ("aws.autoscaling/launch_unsuccessful", {"group": "storefront-*"}, True),
        ("aws.autoscaling/launch_unsuccessful", {"group": "Storefront-*"}, False),
        ("aws.ec2_spot/interruption", {}, True),
        ("aws.ec2_spot/rebalance", {}, True),
        ("aws.ec2_spot/rebalance", {"notices": ["interruption"]}, False),
        ("aws.ec2_spot/rebalance", {"actions": ["stop"]}, True),
        ("aws.ec2_spot/interruption", {"actions": ["stop", "hibernate"]}, False),
        ("aws.ecs/service_placement_failure", {}, True),
        ("aws.ecs/deployment_failed", {}, True),
        ("aws.ecs/service_steady_state", {}, False),
        ("aws.ecs/service_steady_state", {"levels": ["INFO"]}, True),
        ("aws.ecs/task_stopped", {}, False),
        ("aws.ecs/task_stopped", {"about": ["task"]}, True),
        ("aws.ecs/task_stopped", {"about": ["task"], "stop_codes": ["SpotInterruption"]}, False),
        ("aws.ecs/task_stopped", {"about": ["task"], "stop_codes": ["EssentialContainerExited"]}, True),
        ("aws.ecs/task_stopped", {"about": ["task"], "task_statuses": ["RUNNING"]}, False),
        ("aws.ecs/service_placement_failure", {"service": "checkout", "cluster": "pr*"}, True),
        ("aws.ecs/service_placement_failure", {"service": "cart"}, False),
        ("aws.ecs/service_placement_failure", {"cluster": "test"}, False),
        ("aws.ecs/deployment_failed", {"cluster": "prod"}, True),
        ("aws.ecs/deployment_failed", {"event": "SERVICE_TASK_*"}, False),
        ("aws.health/issue", {}, True),
        ("aws.health/issue", {"service": "EC2"}, False),
        ("aws.health/issue", {"regions": ["eu-west-1", "us-east-1"]}, True),
        ("aws.health/issue", {"regions": ["us-east-1"]}, False),
        ("aws.health/issue", {"statuses": ["closed"]}, False),
        ("aws.health/issue", {"event_type": "AWS_ELASTICLOADBALANCING_*"}, True),
        ("aws.health/scheduled_change", {}, False),
        ("aws.health/scheduled_change", {"categories": ["scheduledChange"], "service": "EC2"}, True),
        ("aws.guardduty/finding", {}, True),
        ("aws.guardduty/finding", {"minimum_severity": 8}, True),
        ("aws.guardduty/finding", {"minimum_severity": 8.1}, False),
        ("aws.guardduty/finding", {"finding": "CryptoCurrency:EC2/*", "resource": "Instance"}, True),
        ("aws.guardduty/finding", {"finding": "Recon:*"}, False),
        ("aws.guardduty/finding", {"resource": "AccessKey"}, False),
    ],
)
def test_a_trigger_wants_what_it_asks_for(
    name: str, options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Each filter option lets through what it says; without options what calls for action is wanted, and no more."""
    assert wants(its_own(read(message(name))), **options) is wanted


def test_a_task_change_sent_twice_is_one_event(message: Messages, read: Read) -> None:
    """ECS may send one version of a task under two EventBridge ids; the next version is news."""
    task = message("aws.ecs/task_stopped")
    again = {**task, "id": "another-delivery"}
    later = {**task, "detail": {**task["detail"], "version": 7}}
    assert its_own(read(task)).event_id == its_own(read(again)).event_id != its_own(read(later)).event_id


def test_a_health_communication_delivered_to_two_regions_is_one_event(message: Messages, read: Read) -> None:
    """The backup region's copy has the same communication id; the next page, and the next communication, are news."""
    health = message("aws.health/issue")
    backup = {**health, "id": "other", "region": "us-west-2"}
    page = {**health, "detail": {**health["detail"], "page": "2"}}
    update = {**health, "detail": {**health["detail"], "communicationId": "01b0-2"}}
    assert its_own(read(health)).event_id == its_own(read(backup)).event_id
    assert len({its_own(read(one)).event_id for one in (health, page, update)}) == 3


def test_a_finding_seen_again_is_another_event(message: Messages, read: Read) -> None:
    """GuardDuty sends a finding again when it occurs again; the same sending delivered twice is one event."""
    finding = message("aws.guardduty/finding")
    again = {**finding, "detail": {**finding["detail"], "updatedAt": "2026-03-01T18:39:48.014Z"}}
    assert its_own(read(finding)).event_id == its_own(read({**finding, "id": "x"})).event_id
    assert its_own(read(finding)).event_id != its_own(read(again)).event_id


@pytest.mark.parametrize("name", ["aws.autoscaling/launch_unsuccessful", "aws.ec2_spot/interruption"])
def test_otherwise_eventbridges_identity_is_the_events(name: str, message: Messages, read: Read) -> None:
    """Delivered twice under one id it is one event; another id is another."""
    body = message(name)
    assert its_own(read(body, "sqs-1")).event_id == its_own(read(body, "sqs-2")).event_id
    assert its_own(read(body)).event_id != its_own(read({**body, "id": "another"})).event_id


def test_health_names_the_groups_it_affects(message: Messages, read: Read) -> None:
    """An Auto Scaling group among the affected entities or the resources is a target, once."""
    health = message("aws.health/scheduled_change")
    health["detail"]["affectedEntities"].append({"entityValue": GROUP})
    health["resources"].append(GROUP)
    assert its_own(read(health)).targets == ("storefront-web",)


def test_a_health_event_that_does_not_say_how_it_stands_is_open(message: Messages, read: Read) -> None:
    """Health events of before 2023 have neither status nor communication id."""
    health = message("aws.health/issue")
    for key in ("statusCode", "communicationId", "page", "affectedAccount"):
        del health["detail"][key]
    assert wants(its_own(read(health)), statuses=["open"])


def test_a_service_of_the_old_arn_format_is_named_by_its_cluster(message: Messages, read: Read) -> None:
    """Before 2018 a service's ARN did not hold the cluster; the event's cluster ARN does."""
    action = message("aws.ecs/service_placement_failure")
    action["resources"] = ["arn:aws:ecs:eu-west-1:123456789012:service/checkout"]
    assert its_own(read(action)).targets == ("prod/checkout",)


def test_a_task_of_no_service_has_no_target(message: Messages, read: Read) -> None:
    """A task run by itself belongs to its family only; a trigger for one service does not want it."""
    task = message("aws.ecs/task_stopped")
    task["detail"]["group"] = "family:migrate"
    event = its_own(read(task))
    assert event.targets == ()
    assert wants(event, about=["task"])
    assert not wants(event, about=["task"], service="checkout")


def test_an_interruption_of_an_unknown_kind_is_still_one(message: Messages, read: Read) -> None:
    """An action AWS adds one day wakes whoever listens to interruptions."""
    notice = message("aws.ec2_spot/interruption")
    notice["detail"]["instance-action"] = "migrate"
    assert wants(its_own(read(notice)), actions=["stop"])


def test_other_events_of_the_same_source_are_left_to_eventbridge(message: Messages, read: Read) -> None:
    """A detail type that no kind of its own knows is read by the generic kind alone."""
    for name in ("aws.autoscaling/launch_successful", "aws.ecs/task_stopped", "aws.ec2_spot/rebalance"):
        (event,) = read({**message(name), "detail-type": "Something New"})
        assert event.kind == "eventbridge"


@pytest.mark.parametrize(
    ("name", "broken", "says"),
    [
        ("aws.autoscaling/launch_unsuccessful", {"AutoScalingGroupName": ""}, "detail.AutoScalingGroupName: ''"),
        ("aws.autoscaling/launch_unsuccessful", {"AutoScalingGroupName": "x" * 256}, "at most 255"),
        ("aws.ec2_spot/interruption", {"instance-id": None}, "detail.instance-id: None"),
        ("aws.ecs/task_stopped", {"version": "new", "lastStatus": 7}, "detail.version: 'new'"),
        ("aws.ecs/deployment_failed", {"eventName": ""}, "detail.eventName: ''"),
        ("aws.health/issue", {"service": {}, "eventArn": 3}, "detail.service: {}"),
        ("aws.guardduty/finding", {"severity": "high"}, "detail.severity: 'high'"),
    ],
)
def test_a_broken_one_is_refused_with_every_problem(
    name: str, broken: dict[str, Any], says: str, message: Messages, received_at: datetime
) -> None:
    """The error names path and value."""
    body = message(name)
    body["detail"] |= broken
    kind = EVENTS.load(name.partition("/")[0])
    with pytest.raises(EventError) as caught:
        kind.parse(body, message_id="m", source="s", received_at=received_at)
    assert caught.value.code == "invalid"
    assert says in str(caught.value)


def test_time_is_the_events_own(message: Messages, read: Read) -> None:
    """An event that waited in the queue for an hour says when it happened, not when it came."""
    event = its_own(read(message("aws.ec2_spot/interruption")))
    assert event.occurred_at == datetime(2026, 3, 1, 12, 20, 5, tzinfo=UTC)


def test_an_event_about_a_service_reaches_the_policy_of_the_group_it_runs_on(
    message: Messages, read: Read, policy: Callable[..., Any]
) -> None:
    """Names of ECS services say nothing to a policy of Auto Scaling groups; to one of services they do."""
    event = its_own(read(message("aws.ecs/service_placement_failure")))
    trigger = EVENTS.load("aws.ecs").Config(kind="aws.ecs", queue="q")
    groups = policy("groups", trigger, targets=("ecs-cluster-group",))
    services = policy("services", trigger, targets=("prod/checkout",))
    others = policy("others", trigger, targets=("prod/cart",))
    for one, kind in ((groups, "aws.autoscaling_group"), (services, "aws.ecs_service"), (others, "aws.ecs_service")):
        one.targets.kind = kind
    assert route(event, [groups, services, others]) == ("groups", "services")


def test_an_event_about_a_group_reaches_the_policies_of_that_group(
    message: Messages, read: Read, policy: Callable[..., Any]
) -> None:
    """Of the policies that listen, those with the group among their targets, or that find theirs by tags, get it."""
    event = its_own(read(message("aws.autoscaling/launch_unsuccessful")))
    trigger = EVENTS.load("aws.autoscaling").Config(kind="aws.autoscaling", queue="q")
    named = policy("named", trigger, targets=("storefront-web", "storefront-api"))
    other = policy("other", trigger, targets=("storefront-api",))
    tagged = policy("tagged", trigger)
    for one in (named, other, tagged):
        one.targets.kind = "aws.autoscaling_group"
    assert route(event, [named, other, tagged]) == ("named", "tagged")


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"$.detail.severity": {"above": 7}}, True),
        ({"$.detail.severity": {"above": 8}}, False),
        ({"$['detail-type']": "GuardDuty Finding", "$.region": ["eu-west-1", "eu-west-2"]}, True),
        ({"$.detail.resource.instanceDetails.tags[?@.key == 'tier'].value": "web"}, True),
        ({"$.detail.service.archived": True}, False),
        ({"$.detail.note": {"suffix": "end"}}, True),
        ({"$.time": {"prefix": "2026-03-01T12:40"}}, True),
    ],
)
def test_any_event_is_filtered_by_its_content(
    where: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """The generic kind looks into the envelope as AWS writes it, also at what is too large to be kept."""
    finding = message("aws.guardduty/finding")
    finding["detail"]["note"] = "x" * 20_000 + "end"
    (event,) = [one for one in read(finding) if one.kind == "eventbridge"]
    assert wants(event, where=where) is wanted
