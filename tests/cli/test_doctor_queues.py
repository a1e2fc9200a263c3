"""What ``setpoint doctor`` says of a queue, against the practice AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from setpoint.cli.checks.queues import check_queue
from setpoint.events.queues import QueueRef
from setpoint.lab.config import ACCESS_KEY, REGION, SECRET_KEY
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client


@pytest.fixture
def look(lab: LabProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, str], list[Any]]]:
    """Makes a queue with attributes and looks at it: the worst status by check, and what it needs."""
    extra = {"region_name": REGION, "endpoint_url": lab.url}
    made = {"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LOOK", json.dumps(made))
    sqs = client("sqs", lab.url)

    def call(name: str, **attributes: str) -> tuple[dict[str, str], list[Any]]:
        sqs.create_queue(QueueName=name, Attributes=attributes)
        results, needs = check_queue(QueueRef(connection="aws_look", region=REGION, queue=name))
        assert all(one.todo for one in results if one.status != "ok")
        worst: dict[str, str] = {}
        for one in results:
            check = one.check.removeprefix(f"queue {name}").lstrip(": ")
            worst[check] = max(worst.get(check, "ok"), one.status.value, key=["ok", "warn", "fail"].index)
        return worst, needs

    return call


def redrive(lab: LabProcess, name: str, receives: int = 5, **attributes: str) -> str:
    """A dead-letter queue, as a queue's redrive policy."""
    sqs = client("sqs", lab.url)
    url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "1209600", **attributes})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})


def test_a_good_queue_is_fine_and_says_what_it_needs(look, lab: LabProcess) -> None:
    """What was not tried, on its own ARN."""
    statuses, needs = look("good", RedrivePolicy=redrive(lab, "good-dlq"))
    assert statuses == {"": "ok", "dead letters": "ok"}
    assert [one.action for one in needs] == ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    assert {one.resources[0].rpartition(":")[2] for one in needs} == {"good"}


def test_dead_letters_are_counted(look, lab: LabProcess) -> None:
    """One is one too many."""
    policy = redrive(lab, "full-dlq")
    sqs = client("sqs", lab.url)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="full-dlq")["QueueUrl"], MessageBody="lost")
    assert look("full", RedrivePolicy=policy)[0] == {"": "ok", "dead letters": "warn"}


def test_dead_letters_that_go_too_soon_are_told(look, lab: LabProcess) -> None:
    """Two receives are one fault; and they have to outlive the queue's own messages."""
    assert look("hasty", RedrivePolicy=redrive(lab, "hasty-dlq", receives=2))[0]["dead letters"] == "warn"
    policy = redrive(lab, "brief-dlq", MessageRetentionPeriod="60")
    results, _ = look("brief", RedrivePolicy=policy, MessageRetentionPeriod="3600")
    assert results["dead letters"] == "warn"


@pytest.mark.parametrize(
    ("attributes", "check", "status"),
    [
        ({"MessageRetentionPeriod": "60"}, "retention", "warn"),
        ({"SqsManagedSseEnabled": "false"}, "encryption", "warn"),
        (
            {"Policy": json.dumps({"Statement": [{"Sid": "Open", "Effect": "Allow", "Principal": "*"}]})},
            "policy",
            "fail",
        ),
        ({}, "dead letters", "warn"),
    ],
)
def test_each_weakness_is_told(look, attributes: dict[str, str], check: str, status: str) -> None:
    """By a check of its own."""
    assert look(f"weak-{check.replace(' ', '-')}", **attributes)[0][check] == status


def test_a_policy_with_conditions_is_not_called_open(look, lab: LabProcess) -> None:
    """Everybody under a condition is how topics of other accounts are let in."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "sqs:SendMessage",
        "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:1:t"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert "policy" not in look("conditional", Policy=policy, RedrivePolicy=redrive(lab, "conditional-dlq"))[0]


def test_a_queue_of_another_transport_is_left_alone() -> None:
    """Nobody asks SQS for it."""
    results, needs = check_queue(QueueRef(connection="aws_look", queue="kafka://events"))
    assert ([one.status.value for one in results], needs) == (["ok"], [])
