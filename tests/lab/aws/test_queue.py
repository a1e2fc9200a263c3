"""The practice SQS under many callers at once: what is sent is kept, and given out once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from setpoint.lab.aws.queue import LabQueue, LabSqsBackend

REGION, ACCOUNT = "eu-west-1", "123456789012"
ROUNDS = 40


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> LabSqsBackend:
    """A backend of its own, with one queue."""
    monkeypatch.setattr("moto.sqs.models.Queue", LabQueue)
    made = LabSqsBackend(REGION, ACCOUNT)
    made.create_queue("events", {})
    return made


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do several things in threads of their own; returns what each gave."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [one.result() for one in [pool.submit(work) for work in works]]


def send(backend: LabSqsBackend, count: int) -> set[str]:
    return {str(backend.send_message("events", f"message {number}").id) for number in range(count)}


def take_all(backend: LabSqsBackend, wait: int = 0) -> list[Any]:
    taken: list[Any] = []
    while some := backend.receive_message("events", 10, wait, 30):
        taken += some
    return taken


def test_what_is_sent_while_another_is_deleted_is_kept(backend: LabSqsBackend) -> None:
    """Deleting makes no other list, so nothing that is sent meanwhile falls out of it."""
    for _ in range(ROUNDS):
        send(backend, 20)
        old = take_all(backend)

        def delete(old: list[Any] = old) -> None:
            for one in old:
                backend.delete_message("events", one.receipt_handle)

        new, _ = at_once(lambda: send(backend, 20), delete)
        left = take_all(backend)
        assert {one.id for one in left} == new
        for one in left:
            backend.delete_message("events", one.receipt_handle)


def test_each_message_is_given_to_one_of_several_calls(backend: LabSqsBackend) -> None:
    """Calls at once share the messages."""
    sent = send(backend, 200)
    taken = at_once(*[lambda: take_all(backend)] * 4)
    ids = [one.id for part in taken for one in part]
    assert sorted(ids) == sorted(sent)


def test_counts_are_those_of_moto(backend: LabSqsBackend) -> None:
    """Visible, hidden and delayed messages are told apart."""
    send(backend, 5)
    backend.send_message("events", "later", delay_seconds=60)
    backend.receive_message("events", 2, 0, 30)
    queue: Any = backend.get_queue("events")
    assert queue.approximate_number_of_messages == 3
    assert queue.approximate_number_of_messages_not_visible == 2
    assert queue.approximate_number_of_messages_delayed == 1


def test_a_long_poll_gets_what_is_sent_meanwhile(backend: LabSqsBackend) -> None:
    """A call that waits holds up no sender, and ends with the first message."""
    (taken, sent) = at_once(lambda: backend.receive_message("events", 10, 20, 30), lambda: send(backend, 1))
    assert {one.id for one in taken} == sent
