"""The ways an event can go in: the policy's queue, the webhook, the ledger, Airflow's REST API."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from setpoint.cli.event.message import Asked, Outgoing
from setpoint.cli.output import CommandError, ExitCode
from setpoint.cli.quiet import quiet_airflow

if TYPE_CHECKING:
    from setpoint.events.queues import Origin, QueueRef, WebhookRef
    from setpoint.policy.schema import Policy


class Way(StrEnum):
    """How an event goes in."""

    AUTO = "auto"
    QUEUE = "queue"
    WEBHOOK = "webhook"
    LEDGER = "ledger"
    AIRFLOW = "airflow"


@dataclass(frozen=True)
class Sent:
    """What became of it, as far as the sender can tell."""

    via: Way
    where: str
    message_id: str
    see: str
    """The command, or the address, that shows it."""
    fate: str | None = None
    """What the ledger, or who has it, said at once: ``accepted``, ``duplicate``; ``None`` where nobody has said."""


def choose(way: Way, policy: Policy, kind: str | None) -> tuple[Way, Origin | None]:
    """The way in, and where it begins: the policy's own first trigger that takes the kind.

    :raises CommandError: the policy has no such way.
    """
    from setpoint.events.queues import QueueRef, WebhookRef, listens

    origins = [origin for origin, trigger in listens(policy) if kind is None or trigger.kind == kind]
    queue = next((one for one in origins if isinstance(one, QueueRef)), None)
    webhook = next((one for one in origins if isinstance(one, WebhookRef)), None)
    if way is Way.AUTO:
        return (Way.QUEUE, queue) if queue is not None else (Way.LEDGER, None)
    if way in (Way.LEDGER, Way.AIRFLOW):
        return way, None
    found: Origin | None = queue if way is Way.QUEUE else webhook
    if found is None:
        taken = f"of kind {kind} " if kind else ""
        raise CommandError(
            f"policy {policy.name} takes no events {taken}through a {way.value}; --via ledger goes without",
            ExitCode.NO,
        )
    return way, found


def to_queue(queue: QueueRef, outgoing: Outgoing, policy: Policy) -> Sent:
    """Send to the policy's SQS queue, with the connection and region the policy names.

    :raises CommandError: it is no SQS queue, or SQS refuses.
    """
    quiet_airflow()
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint_airflow.connections.aws import client

    if queue.transport != "sqs":
        raise CommandError(f"{queue.queue} is no SQS queue, and nothing else is sent to from here", ExitCode.USAGE)
    try:
        sqs = client("sqs", queue.connection, queue.region)
        url = queue.queue if queue.is_url else sqs.get_queue_url(QueueName=queue.queue)["QueueUrl"]
        fifo = {"MessageGroupId": policy.name, "MessageDeduplicationId": outgoing.message_id[:128]}
        answer = sqs.send_message(
            QueueUrl=url, MessageBody=outgoing.body, **(fifo if str(url).endswith(".fifo") else {})
        )
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"queue {queue.queue}: {error}", ExitCode.ENVIRONMENT) from error
    from setpoint.ledger.rejects import receipt_identity

    receipt = receipt_identity(str(url), answer["MessageId"])
    return Sent(Way.QUEUE, str(url), answer["MessageId"], f"setpoint event show {receipt}")


def to_webhook(ref: WebhookRef, outgoing: Outgoing, airflow_url: str | None) -> Sent:
    """Post to the webhook as its sender, with that one's secret from its Airflow connection.

    :raises CommandError: the sender is not configured here, or the webhook refuses.
    """
    quiet_airflow()
    import httpx

    from setpoint.events.senders import SendersError, load_senders
    from setpoint.settings import load_settings

    if airflow_url is None:
        raise CommandError("--via webhook needs --airflow-url, the address of the API server", ExitCode.USAGE)
    try:
        sender = load_senders(load_settings().senders).get(ref.sender)
    except SendersError as error:
        raise CommandError(str(error), ExitCode.ENVIRONMENT) from error
    body = outgoing.body.encode()
    headers = {"Content-Type": "application/json", **_proof(ref.sender, sender, body, outgoing.message_id)}
    url = f"{airflow_url.rstrip('/')}/setpoint/events/{ref.sender}"
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=30)
        told = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise CommandError(f"{url}: {error}", ExitCode.ENVIRONMENT) from error
    if answer.is_error:
        code = ExitCode.ENVIRONMENT if answer.is_server_error else ExitCode.NO
        raise CommandError(f"{url} answers {answer.status_code} {told.get('code')}: {told.get('detail')}", code)
    return Sent(Way.WEBHOOK, url, told["message_id"], f"setpoint event show {told['receipt_id']}", told["fate"])


def _proof(name: str, sender: Any, body: bytes, message_id: str) -> dict[str, str]:
    from setpoint.events.senders import BearerSender, HmacSender
    from setpoint.events.signatures import sign_hmac
    from setpoint_airflow.webhook.secrets import NotReadyError, Secrets

    if not isinstance(sender, BearerSender | HmacSender):
        what = "is not in senders.yaml" if sender is None else "is Amazon SNS's, and only SNS can sign for it"
        raise CommandError(f"sender {name} {what}; --via ledger goes without", ExitCode.NO)
    try:
        secret = Secrets().of(name, sender)[0]
    except NotReadyError as error:
        raise CommandError(str(error), ExitCode.ENVIRONMENT) from error
    if isinstance(sender, BearerSender):
        return {"Authorization": f"Bearer {secret}", "Idempotency-Key": message_id}
    return sign_hmac(sender.format, body, secret, message_id=message_id, now=datetime.now(UTC))


def to_ledger(outgoing: Outgoing, asked: Asked | None, policy: Policy, policies: list[Policy]) -> Sent:
    """Put it in the ledger's inbox. The policy's own stream, which looks every second, wakes it.

    :param asked: what a person asked for, which goes to the policy whatever its triggers are; ``None`` for a file.
    :raises CommandError: the policy has no stream.
    """
    from setpoint.cli.ledgers import ledger_url
    from setpoint.events.arrivals import Arrival, Wanted
    from setpoint.events.intake import event_kinds
    from setpoint.events.manual import manual_event
    from setpoint.events.take_in import Message, read_arrival
    from setpoint.ledger import Ledger
    from setpoint.settings import load_settings

    if not (policy.triggers.events or policy.triggers.assets):
        raise CommandError(
            f"policy {policy.name} listens to nothing, so nobody would wake it for what waits in the ledger; "
            "use --via airflow",
            ExitCode.NO,
        )
    now, source = datetime.now(UTC), "command line"
    if asked is None:
        arrival = read_arrival(
            Message(outgoing.message_id, outgoing.body),
            kinds=event_kinds(),
            policies=policies,
            queue=None,
            source=source,
            now=now,
        )
    else:
        event = manual_event(
            policy.name, conf_of(asked), run_id=outgoing.message_id, requested_by=user(), at=now, received_at=now
        )
        if asked.summary:
            event = event.model_copy(update={"summary": asked.summary[:1000]})
        wanted = Wanted(policy=policy.name, debounce=policy.triggers.debounce)
        arrival = Arrival(outgoing.message_id, source, outgoing.body, events=((event, (wanted,)),))
    with Ledger.open(ledger_url()) as ledger:
        received = ledger.receive([arrival], now, window=load_settings().dedupe_window, listening=())
        (receipt,) = received.receipts
        fate = "duplicate" if receipt.receipt_id in received.known else receipt.fate
        return Sent(Way.LEDGER, ledger.url, receipt.message_id, f"setpoint event show {receipt.receipt_id}", fate)


def conf_of(asked: Asked) -> dict[str, Any]:
    """What was asked for, as the conf of a Dag run has it."""
    conf: dict[str, Any] = {"targets": list(asked.targets) or None, "wanted_units": asked.wanted_units}
    conf |= {"dry_run": asked.dry_run, "reason": asked.reason or asked.summary or None}
    return {name: value for name, value in conf.items() if value is not None}


def user() -> str:
    """Who calls the command, for the record."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):  # no name for this user's number, as in some containers
        return "command line"
