"""The inbox trigger, as Airflow stores it, rebuilds it and shares its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.module_loading import import_string
from airflow.serialization.encoders import encode_trigger
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamManager

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.ledger import Ledger
from setpoint.model import Event
from setpoint.policy.loader import load_policies
from setpoint_airflow.triggers.inbox import InboxTrigger
from setpoint_airflow.watch import policy_assets

TRIGGERS = [
    InboxTrigger(policy="web", queue="events"),
    InboxTrigger(policy="web", queue="events", aws_conn_id="other", region_name="eu-west-1"),
    InboxTrigger(policy="api", queue="https://sqs.eu-west-1.amazonaws.com/123456789012/events"),
    InboxTrigger(policy="api", queue=None),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.shared_stream_key()[-1])
def test_a_trigger_is_rebuilt_equal(trigger: InboxTrigger) -> None:
    """Serialised, stored as Airflow stores it, and built again, it is the same trigger with the same hash."""
    encoded = encode_trigger(trigger)
    path, kwargs = encoded["classpath"], {k: BaseSerialization.deserialize(v) for k, v in encoded["kwargs"].items()}
    rebuilt = import_string(path)(**kwargs)
    assert rebuilt.serialize() == trigger.serialize()
    assert rebuilt.shared_stream_key() == trigger.shared_stream_key()
    hashes = {BaseEventTrigger.hash(*one.serialize()) for one in (trigger, rebuilt)} | {
        BaseEventTrigger.hash(path, encoded["kwargs"])
    }
    assert len(hashes) == 1


def test_triggers_of_one_queue_share_a_stream() -> None:
    """The policy is not part of the key; queue, connection and region are."""
    one, other = (InboxTrigger(policy=name, queue="q") for name in ("a", "b"))
    assert one.shared_stream_key() == other.shared_stream_key()
    assert len({trigger.shared_stream_key() for trigger in [one, *TRIGGERS]}) == 5


def test_a_policys_asset_watches_each_of_its_queues(policies: Path, unmade_queue: Any) -> None:
    """One asset, one watcher per distinct queue, whose trigger reads it as the policy's targets are read."""
    policy = load_policies(policies).named("web")
    assert policy is not None
    (asset,) = policy_assets(policy.policy)
    assert isinstance(asset, Asset)
    assert (asset.name, asset.group) == ("setpoint-web", "setpoint")
    (watcher,) = asset.watchers
    assert watcher.trigger.serialize() == (
        "setpoint_airflow.triggers.inbox.InboxTrigger",
        {
            "policy": "web",
            "queue": unmade_queue.ref.queue,
            "aws_conn_id": "aws_intake",
            "region_name": "eu-west-1",
        },
    )


def test_a_policy_without_a_queue_still_has_its_asset(policies: Path) -> None:
    """An asset event posted over REST can wake it."""
    path = policies / "web.yaml"
    before, rest = path.read_text(encoding="utf-8").split("triggers:")
    path.write_text(f"{before}metrics:{rest.split('metrics:')[1]}", encoding="utf-8")
    policy = load_policies(policies).named("web")
    assert policy is not None
    (asset,) = policy_assets(policy.policy)
    assert asset.watchers == []


@pytest.mark.parametrize(
    "triggers",
    ["{events: [{kind: json, webhook: tool}]}", "{assets: [{name: orders}]}"],
    ids=["webhook", "asset"],
)
def test_a_policy_of_the_webhook_or_of_assets_is_watched_over(policies: Path, triggers: str) -> None:
    """No queue brings its events: one stream of all such policies looks for what waits in the ledger."""
    path = policies / "web.yaml"
    before, rest = path.read_text(encoding="utf-8").split("triggers:")
    path.write_text(f"{before}triggers: {triggers}\nmetrics:{rest.split('metrics:')[1]}", encoding="utf-8")
    policy = load_policies(policies).named("web")
    assert policy is not None
    (asset,) = policy_assets(policy.policy)
    (watcher,) = asset.watchers
    assert (watcher.trigger.policy, watcher.trigger.queue) == ("web", None)
    assert watcher.trigger.shared_stream_key() == InboxTrigger(policy="api", queue=None).shared_stream_key()


def test_what_waits_in_the_ledger_wakes_without_a_queue(ledger: Ledger, policies: Path) -> None:
    """An event that the API server could wake nobody for, its process having died, fires the policy's trigger."""
    now = datetime.now(UTC)
    event = Event(
        event_id="e-1", kind="json", source="webhook:tool", policy="web", occurred_at=now, received_at=now, summary="x"
    )
    arrival = Arrival(message_id="m-1", source="webhook:tool", body="{}", events=((event, (Wanted(policy="web"),)),))
    ledger.receive([arrival], now, listening=())
    fired: list[Any] = []

    async def scenario() -> None:
        manager, trigger = SharedStreamManager(), InboxTrigger(policy="web", queue=None)

        async def run() -> None:
            stream = manager.subscribe(trigger_id=1, trigger=trigger, key=trigger.shared_stream_key())
            async for event in trigger.filter_shared_stream(stream):
                fired.append(event.payload)

        running = asyncio.create_task(run())
        await asyncio.wait_for(_until(lambda: bool(fired)), 40)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await manager.stop_all()

    asyncio.run(scenario())
    assert fired[0]["policy"] == "web"


@pytest.mark.usefixtures("policies")
def test_each_policy_is_woken_for_its_own_events(queue: Any, ledger: Ledger, alarm: Any) -> None:
    """Two triggers on Airflow's own shared stream: one poll, and each fires for its policy alone."""
    fired: dict[str, list[Any]] = {"web": [], "api": []}

    async def scenario() -> None:
        manager = SharedStreamManager()
        triggers = {
            number: InboxTrigger(
                policy=name, queue=queue.ref.queue, aws_conn_id=queue.ref.connection, region_name=queue.ref.region
            )
            for number, name in enumerate(fired)
        }

        async def run(number: int, trigger: InboxTrigger) -> None:
            stream = manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
            async for event in trigger.filter_shared_stream(stream):
                fired[trigger.policy].append(event.payload)

        running = [asyncio.create_task(run(number, trigger)) for number, trigger in triggers.items()]
        queue.send(alarm("web-group"), {"hello": "world"}, {"policy": "api", "summary": "look"})
        await asyncio.wait_for(_until(lambda: all(fired.values()) and queue.left() == 0), 40)
        assert len(manager._groups) == 1
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await manager.stop_all()

    asyncio.run(scenario())
    assert fired["web"][0]["policy"] == "web"
    assert fired["web"][0]["reason"] == "event"
    assert all(one["policy"] == "api" for one in fired["api"])
    assert ledger.pending_policies() == ("api", "web")
    assert [one.code for one in ledger.rejects(10)] == ["unknown_kind"]


@pytest.mark.usefixtures("policies", "ledger")
def test_a_shared_stream_that_ends_does_not_take_the_policy_off(queue: Any, alarm: Any) -> None:
    """The filter does not raise: the policy reads the queue alone from there on."""

    async def broken() -> AsyncIterator[Any]:
        raise RuntimeError("subscriber queue exceeded")
        yield

    async def scenario() -> TriggerEvent:
        trigger = InboxTrigger(
            policy="web", queue=queue.ref.queue, aws_conn_id=queue.ref.connection, region_name=queue.ref.region
        )
        queue.send(alarm("web-group"))
        events = trigger.filter_shared_stream(broken())
        try:
            return await asyncio.wait_for(anext(events), 40)
        finally:
            await events.aclose()

    assert asyncio.run(scenario()).payload == {"policy": "web", "reason": "event"}


async def _until(is_true: Any) -> None:
    while not await asyncio.to_thread(is_true):
        await asyncio.sleep(0.05)
