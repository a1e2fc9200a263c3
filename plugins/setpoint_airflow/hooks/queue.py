"""SQS, standard and FIFO, read asynchronously through the provider's hook."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, ClassVar, Self
from uuid import uuid4

from setpoint.aws_errors import WRONG, advice, error_code, handling_of
from setpoint.events.queues import QueueRef
from setpoint.events.transport import Received

PERMISSIONS = ("sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage")
"""The least privileges that reading a queue needs."""

_READ_TIMEOUT_SECONDS = 30  # longer than the longest poll, which is 20 s
_BATCH = 10  # the most SQS gives, and deletes, in one call
_ATTRIBUTES = ["SentTimestamp", "ApproximateReceiveCount", "MessageGroupId", "MessageDeduplicationId"]
_CALLS_AT_ONCE = 16
_HOOKS = "airflow.providers.amazon.aws.hooks.sqs"


class SqsQueue:
    """An SQS queue that is connected, standard or FIFO.

    Of a FIFO queue (its name ends in ``.fifo``) the messages of one group come in order, and none of a group comes
    while an earlier one of it is not deleted. A deduplication id that the sender chose is the message's identity; one
    that SQS made of the content is not, because the same words may be meant twice.

    :param client: an aiobotocore SQS client.
    :param url: the queue's URL.
    """

    PERMISSIONS: ClassVar[tuple[str, ...]] = PERMISSIONS

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url
        self._fifo = url.endswith(".fifo")

    @property
    def url(self) -> str:
        return self._url

    @classmethod
    @asynccontextmanager
    async def open(cls, queue: QueueRef) -> AsyncIterator[Self]:
        """Connect with the queue's Airflow connection, and find its URL.

        :raises Exception: the connection does not exist, has no credentials, or SQS does not know the queue;
            :meth:`advice` says what to do about it.
        """
        # The provider takes seconds to import and would hold up every trigger of the process.
        hooks = await asyncio.to_thread(import_module, _HOOKS)
        from botocore.config import Config

        hook = hooks.SqsHook(
            aws_conn_id=queue.connection,
            region_name=queue.region,
            config=Config(
                connect_timeout=5,
                read_timeout=_READ_TIMEOUT_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=_CALLS_AT_ONCE,
            ),
        )
        async with await hook.get_async_conn() as client:
            url = queue.queue if queue.is_url else (await client.get_queue_url(QueueName=queue.queue))["QueueUrl"]
            yield cls(client, url)

    async def receive(self, *, wait_seconds: int, visibility_seconds: int) -> list[Received]:
        """Up to ten messages; empty when there were none for ``wait_seconds``.

        :param wait_seconds: how long the long poll waits, at most 20.
        :param visibility_seconds: how long the messages stay hidden from everybody else.
        :raises botocore.exceptions.ClientError: SQS refuses.
        """
        # An answer of a FIFO queue that gets lost would lock its groups until the messages are visible again; a
        # repeated call with the same attempt id gets the same answer.
        attempt = {"ReceiveRequestAttemptId": uuid4().hex} if self._fifo else {}
        answer = await self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            MessageSystemAttributeNames=_ATTRIBUTES,
            **attempt,
        )
        return [_received(one) for one in answer.get("Messages", ())]

    async def delete(self, received: Sequence[Received]) -> list[str]:
        """Delete messages. One that cannot be deleted comes again, and is known then.

        :returns: what SQS said of each message it did not delete.
        :raises botocore.exceptions.ClientError: SQS refuses all of them.
        """
        batches = [received[start : start + _BATCH] for start in range(0, len(received), _BATCH)]
        told = await asyncio.gather(*(self._delete(batch) for batch in batches))
        return [one for batch in told for one in batch]

    async def _delete(self, received: Sequence[Received]) -> list[str]:
        answer = await self._client.delete_message_batch(
            QueueUrl=self._url,
            # Ids of our own: a message id is unique in a batch only if SQS delivered no message twice in it.
            Entries=[{"Id": str(index), "ReceiptHandle": one.receipt} for index, one in enumerate(received)],
        )
        return [
            f"{received[int(one['Id'])].message_id}: {one.get('Code')}: {one.get('Message', '')}"
            for one in answer.get("Failed", ())
        ]

    @staticmethod
    def advice(error: BaseException, queue: QueueRef) -> str:
        """What a person can do about a queue that cannot be read."""
        return what_to_do(error, queue)


def _received(message: Mapping[str, Any]) -> Received:
    said = message.get("Attributes", {})
    sent, deduplication, group = (
        said.get("SentTimestamp"),
        said.get("MessageDeduplicationId"),
        said.get("MessageGroupId"),
    )
    chosen = deduplication and deduplication != hashlib.sha256(message["Body"].encode()).hexdigest()
    return Received(
        message_id=message["MessageId"],
        body=message["Body"],
        receipt=message["ReceiptHandle"],
        sent_at=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        deliveries=int(said.get("ApproximateReceiveCount", 1)),
        # Standard queues know groups too (for fairness), and keep no order in them.
        group=group if deduplication else None,
        identity=f"{group}/{deduplication}" if chosen else None,
    )


_NO_QUEUE = "Create the queue {queue}, or correct queue in the policies that name it."
_OF_A_QUEUE = {
    "AWS.SimpleQueueService.NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "AirflowNotFoundException": "Create the connection {connection}, for example with AIRFLOW_CONN_{CONNECTION}.",
}
"""What concerns this queue alone; everything else is in the one table of AWS's errors."""


def what_to_do(error: BaseException, queue: QueueRef) -> str:
    """What a person can do about a queue that cannot be read; the stream tries again by itself meanwhile."""
    if said := _OF_A_QUEUE.get(error_code(error)):
        return said.format(connection=queue.connection, CONNECTION=queue.connection.upper(), queue=queue.queue)
    handling = handling_of(error)
    if handling is WRONG:
        return f"Check the queue {queue.queue} of the policies against the message; it is tried again meanwhile."
    return advice(handling, PERMISSIONS, connection=queue.connection)
