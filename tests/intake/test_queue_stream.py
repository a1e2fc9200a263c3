"""The stream of one queue, on a real SQS API with aiobotocore and a real ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from setpoint.events.arrivals import Arrival
from setpoint.events.contract import EventConfig
from setpoint.events.queues import QueueRef
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client
from setpoint.ledger import Ledger, LedgerUnavailable
from setpoint.model import Event
from setpoint.policy.loader import load_policies
from setpoint.testing.queues import MemoryQueue, Shelf
from setpoint_airflow.hooks.queue import what_to_do
from setpoint_airflow.queue_stream import QueueStream, Timings
from setpoint_airflow.queues import QUEUES

pytestmark = pytest.mark.usefixtures("policies", "connection")

QUICK = Timings(
    grace=0, sweep_every=0.3, sweep_older_than=3600, poll=1, visibility=2, backoff_first=0.1, backoff_most=0.2
)


def _now() -> datetime:
    return datetime.now(UTC)


def _stream(queue: Any, opening: Callable[[], Any], timings: Timings = QUICK) -> Any:
    return QueueStream(queue.ref, open_ledger=opening, timings=timings).wake_ups()


class WatchedLedger(Ledger):
    """A ledger that looks at the queue right after it has committed."""

    queue: Any
    seen: list[int]

    def receive(self, arrivals: Sequence[Arrival], now: datetime, **how: Any) -> Any:
        received = super().receive(arrivals, now, **how)
        self.seen.append(self.queue.left())
        return received


class FailingLedger(Ledger):
    """A ledger that cannot take events in a number of times."""

    failures: int

    def receive(self, arrivals: Sequence[Arrival], now: datetime, **how: Any) -> Any:
        if self.failures > 0:
            self.failures -= 1
            raise LedgerUnavailable("the disk is full")
        return super().receive(arrivals, now, **how)


class PickyLedger(Ledger):
    """A ledger that cannot take one kind of event, whatever else is with it."""

    def receive(self, arrivals: Sequence[Arrival], now: datetime, **how: Any) -> Any:
        if any(event.summary == "indigestible" for one in arrivals for event, _ in one.events):
            raise LedgerUnavailable("this one never goes in")
        return super().receive(arrivals, now, **how)


def test_an_event_is_committed_before_its_message_is_deleted(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """When the ledger has committed, the message is still there; then it is gone, and the policy was woken."""
    seen: list[int] = []

    def opening() -> Ledger:
        opened = WatchedLedger.open(ledger_url)
        opened.queue, opened.seen = queue, seen
        return opened

    queue.send(alarm("web-group"))
    wakes = until(_stream(queue, opening), lambda said: len(said) > 0 and queue.left() == 0)
    assert seen == [1]
    assert [(set(one.policies), one.reason) for one in wakes] == [({"web"}, "event")]
    (event,) = ledger.take_events("web", "run-1", _now())
    assert event.targets == ("web-group",)


def test_an_alarm_arrives_through_a_topic(
    queue: Any, lab: LabProcess, sqs: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """Published to SNS, delivered in SNS's envelope by one subscription and raw by another, it is one event."""
    sns = client("sns", lab.url)
    topic = sns.create_topic(Name=queue.ref.queue)["TopicArn"]
    other = client("sns", lab.url).create_topic(Name=f"{queue.ref.queue}-raw")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.subscribe(TopicArn=other, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    for one in (topic, other):
        sns.publish(TopicArn=one, Message=json.dumps(alarm("web-group")), Subject="ALARM")
    until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0 and queue.left() == 0)
    (event,) = ledger.take_events("web", "run-1", _now())
    assert event.payload["alarm"] == "web-group-cpu-high"
    assert ledger.rejects(10) == []


def test_an_event_delivered_three_times_is_accepted_once(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """Three messages with one state change are one event, and the queue is empty afterwards."""
    queue.send(alarm("web-group"), alarm("web-group"), alarm("web-group"))
    until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0 and queue.left() == 0)
    assert len(ledger.take_events("web", "run-1", _now())) == 1


def test_a_duplicate_wakes_nobody(queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any) -> None:
    """A redelivery after the run has taken the event does not start another run."""
    queue.send(alarm("web-group"))
    until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0 and queue.left() == 0)
    ledger.take_events("web", "run-1", _now())
    queue.send(alarm("web-group"), alarm("api-group"))
    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0 and queue.left() == 0)
    assert {name for wake in wakes for name in wake.policies} == {"api"}


def test_poison_is_rejected_and_does_not_hold_up_the_queue(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """Each bad message is in the ledger's rejects with its reason; the good one behind them arrives."""
    queue.send(
        "this is not JSON",
        {"hello": "world"},
        {"policy": "wbe"},
        {"policy": "web", "targets": ["nowhere"]},
        {"policy": "web", "request": {"wanted_units": "many", "dry_run": 1}},
        '{"policy": "web", "summary": "\\u0000"}',
        alarm("api-group"),
    )
    until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0 and queue.left() == 0)
    rejects = ledger.rejects(50)
    assert sorted(one.code for one in rejects) == sorted(
        ["not_json", "unknown_kind", "unknown_policy", "unknown_target", "invalid", "bad_text"]
    )
    by_code = {one.code: one for one in rejects}
    assert by_code["not_json"].body == "this is not JSON"
    assert "did you mean 'web'" in by_code["unknown_policy"].text
    assert by_code["unknown_policy"].source == queue.url
    assert [event.targets for event in ledger.take_events("api", "run-1", _now())] == [("api-group",)]


def test_an_event_nobody_wants_is_kept_as_such(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """It wakes nobody, and is not dropped either."""
    queue.send({**alarm("web-group"), "NewStateValue": "OK"})
    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: queue.left() == 0)
    assert wakes == []
    assert [event.payload["state"] for event in ledger.unwanted_events()] == ["OK"]


def test_a_failing_ledger_keeps_the_message_in_the_queue(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """While the ledger fails nothing is deleted; when it works again, the message is delivered again and taken in."""
    opened = FailingLedger.open(ledger_url)
    opened.failures = 2  # the batch, and then the message for itself
    left_after_failure: list[int] = []

    def is_done(said: list[Any]) -> bool:
        if opened.failures == 0 and not left_after_failure:
            left_after_failure.append(queue.left())
        return len(said) > 0 and queue.left() == 0

    queue.send(alarm("web-group"))
    wakes = until(_stream(queue, lambda: opened), is_done)
    assert left_after_failure == [1]
    assert [set(one.policies) for one in wakes] == [{"web"}]
    assert len(ledger.take_events("web", "run-1", _now())) == 1


def test_no_message_is_received_while_the_ledger_cannot_be_opened(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any, sqs: Any
) -> None:
    """A ledger that is down uses up no receives, so nothing drifts into the dead-letter queue meanwhile."""
    attempts: list[int] = []

    def opening() -> Ledger:
        attempts.append(1)
        if len(attempts) < 4:
            raise LedgerUnavailable("nobody is there")
        return Ledger.open(ledger_url)

    queue.send(alarm("web-group"))
    long = Timings(grace=0, sweep_every=0.3, poll=1, visibility=60, backoff_first=0.05, backoff_most=0.1)
    until(_stream(queue, opening, long), lambda said: len(said) > 0 and queue.left() == 0)
    assert len(attempts) == 4


def test_one_message_the_ledger_cannot_take_does_not_hold_up_the_others(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any
) -> None:
    """The others of its batch are taken in; it stays in the queue, for the queue's own redrive policy."""
    queue.send(alarm("web-group"), {"policy": "web", "summary": "indigestible"}, alarm("api-group"))
    until(
        _stream(queue, lambda: PickyLedger.open(ledger_url)),
        lambda said: {name for wake in said for name in wake.policies} == {"web", "api"} and queue.left() == 1,
    )
    assert len(ledger.take_events("web", "run-1", _now())) == 1


def test_events_left_waiting_are_swept_up_at_the_start(queue: Any, ledger_url: str, ledger: Ledger, until: Any) -> None:
    """A wake-up that was lost with the triggerer is made up for before anything is received."""
    event = Event(event_id="e", kind="json", source="s", occurred_at=_now(), received_at=_now())
    ledger.accept_events([(event, ("web",))])
    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0)
    assert (set(wakes[0].policies), wakes[0].reason) == ({"web"}, "sweep")


def test_a_wake_up_that_gets_lost_is_repeated(queue: Any, ledger_url: str, ledger: Ledger, until: Any) -> None:
    """Events that come to wait later are found by a later sweep, with nothing arriving on the queue."""
    stream = _stream(
        queue,
        lambda: Ledger.open(ledger_url),
        Timings(grace=0, sweep_every=0.1, sweep_older_than=-60, poll=1, visibility=2),
    )
    sent: list[bool] = []

    def is_done(said: list[Any]) -> bool:
        if not sent:
            event = Event(event_id="e", kind="json", source="s", occurred_at=_now(), received_at=_now())
            ledger.accept_events([(event, ("api",))])
            sent.append(True)
        return bool(said)

    wakes = until(stream, is_done)
    assert (set(wakes[0].policies), wakes[0].reason) == ({"api"}, "sweep")


def test_a_queue_that_does_not_exist_is_waited_for(unmade_queue: Any, ledger_url: str, alarm: Any, until: Any) -> None:
    """The stream goes on until somebody creates the queue."""
    made: list[bool] = []

    def is_done(said: list[Any]) -> bool:
        if not made:
            unmade_queue.create().send(alarm("web-group"))
            made.append(True)
        return len(said) > 0 and unmade_queue.left() == 0

    opened: list[int] = []

    def opening() -> Ledger:
        opened.append(1)
        return Ledger.open(ledger_url)

    wakes = until(_stream(unmade_queue, opening), is_done)
    assert [set(one.policies) for one in wakes] == [{"web"}]
    assert opened == [1]


def test_a_new_policy_file_is_routed_to_without_a_restart(
    queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any, policies: Path
) -> None:
    """The policies are those of the moment a message arrives."""
    added: list[bool] = []

    def is_done(said: list[Any]) -> bool:
        if not added:
            text = (policies / "web.yaml").read_text(encoding="utf-8").replace("web", "new")
            (policies / "new.yaml").write_text(text, encoding="utf-8")
            queue.send(alarm("new-group"))
            added.append(True)
        return bool(said)

    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url)), is_done)
    assert set(wakes[0].policies) == {"new"}


def test_a_broken_policy_file_does_not_stop_the_others(
    queue: Any, ledger_url: str, alarm: Any, until: Any, policies: Path
) -> None:
    """Its events find nobody; those of the others arrive."""
    (policies / "api.yaml").write_text("name: [", encoding="utf-8")
    assert len(load_policies(policies).policies) == 1
    queue.send(alarm("api-group"), alarm("web-group"))
    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: len(said) > 0 and queue.left() == 0)
    assert {name for wake in wakes for name in wake.policies} == {"web"}


class _ClientError(Exception):
    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}


class AirflowNotFoundException(Exception):
    """Stands for Airflow's, which is told by its name."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (_ClientError("AccessDenied"), "sqs:ReceiveMessage"),
        (_ClientError("AWS.SimpleQueueService.NonExistentQueue"), "Create the queue events-"),
        (_ClientError("ExpiredTokenException"), "Mend the credentials of the connection aws_intake"),
        (NoCredentialsError(), "password (secret) of the connection aws_intake"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "could not be reached"),
        (AirflowNotFoundException(), "AIRFLOW_CONN_AWS_INTAKE"),
        (_ClientError("InternalError"), "try again later"),
        (RuntimeError("x"), "tried again"),
    ],
)
def test_an_error_says_what_to_do(error: Exception, says: str, unmade_queue: Any) -> None:
    """The log line names the connection, the queue or the permission to put right."""
    assert says in what_to_do(error, unmade_queue.ref)


def test_the_policies_of_the_tests_are_valid(policies: Path) -> None:
    """What these tests route to are policies as the loader reads them."""
    loaded = load_policies(policies)
    assert not loaded.broken
    triggers: list[EventConfig] = [one for each in loaded.policies for one in each.policy.triggers.events]
    assert len(triggers) == 4


def test_a_burst_is_taken_in_with_few_transactions(
    queue: Any, ledger_url: str, ledger: Ledger, sqs: Any, until: Any
) -> None:
    """A hundred and twenty messages: several calls at once, each commit up to a hundred, everything accounted for."""
    for start in range(0, 120, 10):
        entries = [
            {"Id": str(n), "MessageBody": json.dumps({"policy": "web", "id": f"b{start + n}"})} for n in range(10)
        ]
        sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    sizes: list[int] = []

    class Counting(Ledger):
        def receive(self, arrivals: Sequence[Arrival], now: datetime, **how: Any) -> Any:
            sizes.append(len(arrivals))
            return super().receive(arrivals, now, **how)

    wakes = until(_stream(queue, lambda: Counting.open(ledger_url)), lambda said: queue.left() == 0)
    assert sum(sizes) >= 120  # the practice SQS, as the real one may, gives a message to two calls at once
    assert max(sizes) > 10
    assert len(sizes) <= 6
    assert [set(one.policies) for one in wakes] == [{"web"}]
    assert len(ledger.take_events("web", "run-1", _now())) == 120
    assert ledger.accounting(_now() - timedelta(minutes=5)).receipts == 120


def test_what_comes_after_the_pull_is_woken_at_the_debounces_end(
    queue: Any, ledger_url: str, ledger: Ledger, until: Any, policies: Path
) -> None:
    """The stream's own clock does it, with nothing arriving and no sweep; and it wakes once for two events."""
    path = policies / "web.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("triggers:\n", "triggers:\n  debounce: 2s\n"), "utf-8")
    calm = Timings(grace=0, tick=0.05, sweep_every=3600, poll=1, visibility=5)
    pulled: list[bool] = []

    def is_done(said: list[Any]) -> bool:
        if said and not pulled:
            ledger.take_events("web", "run-1", _now())
            ledger.join_events("run-1", "web", _now())
            queue.send({"policy": "web", "id": "late-1"}, {"policy": "web", "id": "late-2"})
            pulled.append(True)
        return len(said) > 1

    queue.send({"policy": "web", "id": "first"})
    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url), calm), is_done)
    assert [one.reason for one in wakes] == ["event", "due"]
    assert len(ledger.take_events("web", "run-2", _now())) == 2


def test_a_message_that_never_goes_in_ends_in_the_rejects(
    queue: Any, ledger_url: str, ledger: Ledger, until: Any
) -> None:
    """After three deliveries it is set aside with its reason and deleted; it blocks nothing and is not lost."""
    queue.send({"policy": "web", "summary": "indigestible"}, {"policy": "api", "id": "fine"})
    quick = Timings(grace=0, sweep_every=3600, poll=1, visibility=1, backoff_first=0.1, backoff_most=0.2)
    until(_stream(queue, lambda: PickyLedger.open(ledger_url), quick), lambda said: queue.left() == 0)
    (reject,) = ledger.rejects()
    assert reject.code == "not_stored"
    assert "this one never goes in" in reject.text
    assert json.loads(reject.body)["summary"] == "indigestible"


def test_a_policy_that_listens_elsewhere_is_left_to_its_own_stream(
    queue: Any, ledger_url: str, ledger: Ledger, until: Any
) -> None:
    """Two triggerers on one queue, each with one policy's trigger: whoever receives the message, each wakes its own."""
    calm = Timings(grace=0, tick=0.05, sweep_every=3600, poll=1, visibility=5)

    def stream(policy: str) -> Any:
        return QueueStream(
            queue.ref, open_ledger=lambda: Ledger.open(ledger_url), listeners=lambda: {policy}, timings=calm
        ).wake_ups()

    queue.send({"policy": "web", "id": "1"}, {"policy": "api", "id": "2"})
    first = until(stream("web"), lambda said: bool(said) and queue.left() == 0)
    assert [set(one.policies) for one in first] == [{"web"}]
    second = until(stream("api"), lambda said: bool(said))
    assert [(set(one.policies), one.reason) for one in second] == [({"api"}, "due")]


def test_an_old_message_wakes_nobody(queue: Any, ledger_url: str, ledger: Ledger, alarm: Any, until: Any) -> None:
    """What the queue kept while nobody read it is in the ledger as too old."""
    hour_ago = f"{_now() - timedelta(hours=1):%FT%T}.000+0000"
    queue.send(alarm("web-group", hour_ago))
    wakes = until(_stream(queue, lambda: Ledger.open(ledger_url)), lambda said: queue.left() == 0)
    assert wakes == []
    assert ledger.accounting(_now() - timedelta(minutes=5)).too_old == 1


def test_any_transport_is_read_and_a_group_keeps_its_order(ledger_url: str, ledger: Ledger, until: Any) -> None:
    """Through the registry, by scheme; behind a message that does not go in, its group waits, and others go on."""
    ref = QueueRef(connection="aws_intake", queue="memory://ordered")
    shelf = MemoryQueue.SHELVES["memory://ordered"] = Shelf()
    QUEUES._loaded["memory"] = MemoryQueue
    try:
        for group, summary in (("a", "indigestible"), ("a", "behind it"), ("b", "of its own")):
            shelf.send(json.dumps({"policy": "web", "id": summary, "summary": summary}), group=group)
        policy = load_policies(Path(os.environ["SETPOINT_POLICIES"])).named("web")
        assert policy is not None
        trigger = policy.policy.triggers.events[1].model_copy(update={"queue": ref.queue})
        listening = policy.policy.model_copy(
            update={"triggers": policy.policy.triggers.model_copy(update={"events": (trigger,)})}
        )
        stream = QueueStream(
            ref,
            open_ledger=lambda: PickyLedger.open(ledger_url),
            policies=lambda: [listening.model_copy(update={"targets": _regionless(listening.targets)})],
            timings=Timings(grace=0, sweep_every=3600, poll=1, visibility=1),
        )
        orders: list[list[str]] = []

        def is_done(said: list[Any]) -> bool:
            told = [one.fate for one in reversed(ledger.receipts())]
            if not orders or told != orders[-1]:
                orders.append(told)
            return not shelf.messages

        until(stream.wake_ups(), is_done)
        taken = [one.summary for one in ledger.take_events("web", "run-1", _now())]
        assert taken == ["of its own", "behind it"]
        assert [one.code for one in ledger.rejects()] == ["not_stored"]
    finally:
        del QUEUES._loaded["memory"], MemoryQueue.SHELVES["memory://ordered"]


def _regionless(targets: Any) -> Any:
    return targets.model_copy(update={"region": None})
