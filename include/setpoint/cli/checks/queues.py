"""Are the queues there, and does a message nobody can read leave them?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from setpoint.cli.checks.aws import Place
from setpoint.cli.checks.result import CheckResult, fail, ok, warn

if TYPE_CHECKING:
    from setpoint.events.queues import QueueRef
    from setpoint.policy.schema import Policy


def queues_of_all(policies: Iterable[Policy], places: Iterable[Place]) -> list[QueueRef]:
    """The distinct queues that policies with one of these connections listen on."""
    from setpoint.events.queues import queues_of

    known = set(places)
    found = dict.fromkeys(queue for policy in policies for queue in queues_of(policy))
    return [queue for queue in found if Place(queue.connection, queue.region) in known]


def check_queue(queue: QueueRef) -> CheckResult:
    """Look a queue and its redrive policy up; no message is received."""
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint_airflow.providers import ConnectionProblemError, client

    check = f"queue {queue.name}"
    try:
        sqs = client("sqs", queue.connection, queue.region, read_only=True)
        url = queue.queue if queue.is_url else sqs.get_queue_url(QueueName=queue.queue)["QueueUrl"]
        wanted = ["RedrivePolicy", "ApproximateNumberOfMessages"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted).get("Attributes", {})
    except ClientError as error:
        todo = "create the queue, or allow the connection sqs:GetQueueUrl and sqs:GetQueueAttributes on it"
        return fail(check, f"AWS answers: {error}", todo)
    except (BotoCoreError, ConnectionProblemError) as error:
        return fail(check, str(error), f"check the connection {queue.connection}")
    waiting = f"{attributes.get('ApproximateNumberOfMessages', '?')} messages waiting"
    redrive = attributes.get("RedrivePolicy")
    if not redrive:
        todo = (
            "give the queue a dead-letter queue (RedrivePolicy), so that what cannot be taken in does not come for ever"
        )
        return warn(check, f"reachable, {waiting}, and no redrive policy", todo)
    target = str(json.loads(redrive).get("deadLetterTargetArn", "")).rpartition(":")[2]
    return ok(check, f"reachable, {waiting}, dead letters go to {target}")
