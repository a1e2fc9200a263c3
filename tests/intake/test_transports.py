"""Every transport keeps the contract of a queue: at least once, hidden while it is worked on, gone when deleted."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from setpoint.events.queues import QueueRef
from setpoint.events.transport import MessageQueue, Received
from setpoint.testing.queues import MemoryQueue, Shelf
from setpoint_airflow.queues import QUEUES


class Bench(NamedTuple):
    """A transport, one of its queues, and how the outside world sends to it."""

    kind: Any
    ref: QueueRef
    send: Callable[..., str]


def _sqs(request: pytest.FixtureRequest, *, fifo: bool) -> Bench:
    sqs, queue = request.getfixturevalue("sqs"), request.getfixturevalue("unmade_queue")
    name = queue.ref.queue + (".fifo" if fifo else "")
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(body: str, **fifo_only: str) -> str:
        return str(sqs.send_message(QueueUrl=url, MessageBody=body, **fifo_only)["MessageId"])

    return Bench(QUEUES.load("sqs"), queue.ref.model_copy(update={"queue": name}), send)


def _memory(request: pytest.FixtureRequest) -> Bench:
    shelf, name = Shelf(), f"memory://{request.node.name}"
    MemoryQueue.SHELVES[name] = shelf
    request.addfinalizer(lambda: MemoryQueue.SHELVES.pop(name))
    return Bench(MemoryQueue, QueueRef(connection="none", queue=name), shelf.send)


BENCHES: dict[str, Callable[[pytest.FixtureRequest], Bench]] = {
    "sqs": lambda request: _sqs(request, fifo=False),
    "memory": _memory,
}


def test_every_registered_transport_is_tried_here() -> None:
    """A transport that is registered without a bench to try it on is not proven."""
    assert set(QUEUES) <= set(BENCHES)


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest) -> Bench:
    """A transport with a queue of the test's own."""
    return BENCHES[request.param](request)


def work(bench: Bench, what: Callable[[MessageQueue], Awaitable[Any]]) -> Any:
    """Do something with the queue, connected."""

    async def doing() -> Any:
        async with bench.kind.open(bench.ref) as queue:
            return await what(queue)

    return asyncio.run(asyncio.wait_for(doing(), 30))


async def take(queue: MessageQueue, visibility: int = 30, wait: int = 1) -> list[Received]:
    return await queue.receive(wait_seconds=wait, visibility_seconds=visibility)


def test_a_message_comes_as_it_was_sent(bench: Bench) -> None:
    """Its text, its id, when it was sent, and that it comes for the first time."""
    text = json.dumps({"text": "ä \\u0000 {{ 1 }} 'quotes'"}, ensure_ascii=False)
    message_id = bench.send(text)
    (one,) = work(bench, take)
    assert (one.body, one.message_id, one.deliveries, one.group, one.identity) == (text, message_id, 1, None, None)
    assert abs(one.sent_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_nothing_is_an_answer(bench: Bench) -> None:
    """An empty queue gives an empty list, at once when nobody waits."""
    assert work(bench, lambda queue: take(queue, wait=0)) == []


def test_what_is_being_worked_on_is_hidden_and_comes_again_until_it_is_deleted(bench: Bench) -> None:
    """A reader that dies loses nothing: the same message comes again, with the same id, and says so."""
    bench.send("one")

    async def die_and_come_back(queue: MessageQueue) -> tuple[list[Received], list[Received], list[Received]]:
        first = await take(queue, visibility=1)
        hidden = await take(queue, wait=0)
        again: list[Received] = []
        while not again:
            again = await take(queue)
        return first, hidden, again

    (first,), hidden, (again,) = work(bench, die_and_come_back)
    assert hidden == []
    assert (again.message_id, again.body, again.deliveries) == (first.message_id, first.body, 2)


def test_what_is_deleted_is_gone(bench: Bench) -> None:
    """Twenty-five messages, in more than one answer, each deleted: nothing comes again."""
    sent = {bench.send(f"message {number}") for number in range(25)}

    async def drain(queue: MessageQueue) -> tuple[set[str], list[str]]:
        got: list[Received] = []
        while len(got) < 25:
            got += await take(queue, visibility=2)
        told = await queue.delete(got)
        return {one.message_id for one in got}, told + [one.message_id for one in await take(queue, wait=3)]

    assert work(bench, drain) == (sent, [])


def test_calls_at_once_share_the_messages(bench: Bench) -> None:
    """Several calls beside each other bring every message; a transport may give one of them twice."""
    sent = sorted(bench.send(f"message {number}") for number in range(40))

    async def at_once(queue: MessageQueue) -> list[str]:
        answers = await asyncio.gather(*(take(queue, wait=0) for _ in range(8)))
        return sorted({one.message_id for answer in answers for one in answer})

    assert work(bench, at_once) == sent


def test_a_queue_that_is_not_there_says_what_to_do(bench: Bench) -> None:
    """Opening it raises, and the advice names it."""
    missing = bench._replace(ref=bench.ref.model_copy(update={"queue": bench.ref.queue + "-not-there"}))
    with pytest.raises(Exception, match=r"(?i)queue") as caught:
        work(missing, take)
    assert "-not-there" in bench.kind.advice(caught.value, missing.ref)


@pytest.fixture(params=["sqs", "memory"])
def ordered(request: pytest.FixtureRequest) -> Bench:
    """A transport that keeps the order of a group."""
    if request.param == "memory":
        return _memory(request)
    fifo = _sqs(request, fifo=True)
    return fifo._replace(send=lambda body, group: fifo.send(body, MessageGroupId=group))


def test_a_group_comes_in_order_and_waits_for_its_first(ordered: Bench) -> None:
    """While the first of a group is worked on, the rest of it is not given to anybody; other groups go on."""
    for number in range(4):
        ordered.send(f"a{number}", group="a")

    async def one_by_one(queue: MessageQueue) -> tuple[list[str], list[Received]]:
        first = await take(queue)
        ordered.send("a4", group="a")
        ordered.send("b0", group="b")
        return [one.body for one in first], await take(queue)

    first, then = work(ordered, one_by_one)
    assert first == [f"a{number}" for number in range(4)]
    assert [(one.body, one.group) for one in then] == [("b0", "b")]


def test_a_deduplication_id_that_the_sender_chose_is_the_messages_identity(request: pytest.FixtureRequest) -> None:
    """One that SQS makes of the content is none: the same words may be meant twice."""
    fifo = _sqs(request, fifo=True)
    fifo.send("same words", MessageGroupId="g")
    fifo.send("same words", MessageGroupId="g", MessageDeduplicationId="deploy-7")
    made, chosen = work(fifo, take)
    assert (made.identity, chosen.identity) == (None, "g/deploy-7")
    assert hashlib.sha256(b"same words").hexdigest() not in str(made)


def test_another_transports_queue_is_another_queue() -> None:
    """The scheme tells; SQS has none, or a URL."""
    refs = [QueueRef(connection="c", queue=name) for name in ("events", "kafka://events", "memory://events")]
    assert [one.transport for one in refs] == ["sqs", "kafka", "memory"]
    assert QueueRef(connection="c", queue="https://sqs.eu-west-1.amazonaws.com/1/q").transport == "sqs"
    assert all(one.same_queue(other) is (one is other) for one in refs for other in refs)
