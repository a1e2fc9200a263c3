"""Are the queues there, does a message nobody can read leave them, and who may send?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from setpoint.cli.checks.aws import Place
from setpoint.cli.checks.permissions import Need
from setpoint.cli.checks.result import CheckResult, fail, ok, warn

if TYPE_CHECKING:
    from setpoint.events.queues import QueueRef
    from setpoint.policy.schema import Policy

LEAST_RECEIVES = 3
"""A ledger that is away for a minute must not make dead letters of good messages."""
LEAST_RETENTION_SECONDS = 3_600


def queues_of_all(policies: Iterable[Policy], places: Iterable[Place]) -> list[QueueRef]:
    """The distinct queues that policies with one of these connections listen on."""
    from setpoint.events.queues import queues_of

    known = set(places)
    found = dict.fromkeys(queue for policy in policies for queue in queues_of(policy))
    return [queue for queue in found if Place(queue.connection, queue.region) in known]


def check_queue(queue: QueueRef) -> tuple[list[CheckResult], list[Need]]:
    """Look a queue and its dead-letter queue up; no message is received.

    :returns: what was found, and what else taking events in needs to be allowed on this queue.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint_airflow.connections.aws import client
    from setpoint_airflow.connections.contract import ConnectionProblemError
    from setpoint_airflow.hooks.queue import PERMISSIONS

    check = f"queue {queue.name}"
    if queue.transport != "sqs":
        return [ok(check, f"is {queue.transport}'s, and is not looked at here")], []
    try:
        sqs = client("sqs", queue.connection, queue.region, read_only=True)
        url = queue.queue if queue.is_url else sqs.get_queue_url(QueueName=queue.queue)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
        results = [*_reachable(check, attributes), *_dead_letters(check, sqs, attributes)]
    except ClientError as error:
        todo = "create the queue, or allow the connection sqs:GetQueueUrl and sqs:GetQueueAttributes on it"
        return [fail(check, f"AWS answers: {error}", todo)], []
    except (BotoCoreError, ConnectionProblemError) as error:
        return [fail(check, str(error), f"check the connection {queue.connection}")], []
    arn = attributes.get("QueueArn")
    # Looking the queue up by its name was tried just now; by its URL nobody looks.
    left = [action for action in PERMISSIONS if action != "sqs:GetQueueUrl"]
    return results, [Need(action, (arn,)) for action in left] if arn else []


def _reachable(check: str, attributes: Mapping[str, Any]) -> Iterator[CheckResult]:
    yield ok(check, f"reachable, {attributes.get('ApproximateNumberOfMessages', '?')} messages waiting")
    retention = int(attributes.get("MessageRetentionPeriod", 345_600))
    if retention < LEAST_RETENTION_SECONDS:
        words = f"messages are kept {retention} s only: an event is lost when Airflow is down for longer"
        yield warn(f"{check}: retention", words, "set MessageRetentionPeriod to 345600 (four days)")
    if attributes.get("SqsManagedSseEnabled") != "true" and not attributes.get("KmsMasterKeyId"):
        yield warn(f"{check}: encryption", "messages are not encrypted at rest", "set SqsManagedSseEnabled to true")
    # A visibility timeout is not looked at: each receive names its own.
    if anybody := _open_statements(attributes.get("Policy")):
        words = f"its policy lets anybody send or read (statement {', '.join(anybody)})"
        yield fail(
            f"{check}: policy",
            words,
            "name the service, and the topics and rules as aws:SourceArn: docs/infrastructure",
        )


def _dead_letters(check: str, sqs: Any, attributes: Mapping[str, Any]) -> Iterator[CheckResult]:
    from botocore.exceptions import ClientError

    check = f"{check}: dead letters"
    redrive = attributes.get("RedrivePolicy")
    if not redrive:
        todo = (
            "give the queue a dead-letter queue (RedrivePolicy), so that what cannot be taken in does not come for ever"
        )
        yield warn(check, "no redrive policy: what cannot be taken in comes again and again", todo)
        return
    policy = json.loads(redrive)
    receives = int(policy.get("maxReceiveCount", 0))
    if receives < LEAST_RECEIVES:
        words = f"a message is a dead letter after {receives} receives: a short fault would be enough"
        yield warn(check, words, "set maxReceiveCount to 5")
    _, _, _, _, account, name = str(policy.get("deadLetterTargetArn", ":::::")).split(":", 5)
    try:
        url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        dead = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
    except ClientError as error:
        todo = f"create {name}, or allow sqs:GetQueueUrl and sqs:GetQueueAttributes on it, to have dead letters counted"
        yield warn(check, f"go to {name}, which cannot be looked at: {error}", todo)
        return
    waiting = int(dead.get("ApproximateNumberOfMessages", 0))
    if waiting:
        words = f"{waiting} in {name}: the ledger could not take them in"
        yield warn(
            check, words, "see the triggerer's log, mend what is wrong, then start a redrive (StartMessageMoveTask)"
        )
    else:
        yield ok(check, f"go to {name}, which is empty")
    kept, longer = (int(one.get("MessageRetentionPeriod", 345_600)) for one in (attributes, dead))
    if longer <= kept:
        # A message's age counts from when it was first sent, also in the dead-letter queue.
        words = f"{name} keeps messages for {longer} s, no longer than the queue: dead letters may be gone unseen"
        yield warn(check, words, "set its MessageRetentionPeriod to 1209600 (fourteen days)")


def _open_statements(policy: str | None) -> Sequence[str]:
    """The statements of a queue's policy that allow everybody something without any condition."""
    if not policy:
        return []
    try:
        statements = json.loads(policy).get("Statement", [])
    except (ValueError, AttributeError):
        return ["that cannot be read"]
    found = []
    for number, one in enumerate(statements if isinstance(statements, list) else [statements], start=1):
        principal = one.get("Principal")
        everybody = principal == "*" or (isinstance(principal, dict) and principal.get("AWS") in ("*", ["*"]))
        if one.get("Effect") == "Allow" and everybody and not one.get("Condition"):
            found.append(str(one.get("Sid") or number))
    return found
