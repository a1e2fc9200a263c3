"""A policy's asset: what its Dag is scheduled on, and who wakes it. Cheap to import and to build, for the Dag files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAny, AssetWatcher

from setpoint.events.queues import QueueRef, queues_of, senders_of
from setpoint.model import digest
from setpoint_airflow.triggers.inbox import InboxTrigger

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


class PolicyAsset(Asset):
    """An asset like any other, whose hash is its name's: equal assets have equal names.

    Airflow's own hash writes the whole asset as JSON, and a Dag's hash, taken forty times while its tasks are wired,
    has its assets' hashes in it: a fifth of the time in which a Dag is built.
    """

    def __hash__(self) -> int:
        return hash(self.name)


def policy_assets(policy: Policy) -> list[Asset]:
    """The asset a policy's Dag waits for, watched on every queue the policy listens on.

    A policy whose events come through the webhook, or with other Dags' assets, has a watcher that looks for what waits
    in the ledger. There is an asset without watchers too, when the policy listens to nothing: an asset event posted
    through the REST API wakes it.
    """
    return [
        # Without a URI: to look at one's scheme, Airflow imports every provider's assets, boto3 with them.
        PolicyAsset(
            name=f"setpoint-{policy.name}",
            group="setpoint",
            watchers=_watchers(policy),
        )
    ]


def their_assets(policy: Policy) -> list[Any]:
    """The assets of other Dags that wake the policy: references, so that theirs may be defined however they are."""
    return [
        Asset.ref(name=one.name) if one.name is not None else Asset.ref(uri=one.uri) for one in policy.triggers.assets
    ]


def any_of(assets: list[Any]) -> Any:
    """What a Dag is scheduled on that any of some assets wakes. (In a list, all of them would have to be updated.)"""
    return AssetAny(*assets) if len(assets) > 1 else assets


def _watchers(policy: Policy) -> list[AssetWatcher]:
    queues = queues_of(policy)
    if not queues and (senders_of(policy) or policy.triggers.assets):
        return [
            AssetWatcher(name=f"setpoint-{policy.name}-ledger", trigger=InboxTrigger(policy=policy.name, queue=None))
        ]
    return [_watcher(policy.name, queue) for queue in queues]


def _watcher(policy: str, queue: QueueRef) -> AssetWatcher:
    identity = digest(queue.connection, queue.region, queue.queue)[:8]
    return AssetWatcher(
        name=f"setpoint-{policy}-{queue.name}-{identity}",
        trigger=InboxTrigger(policy=policy, queue=queue.queue, aws_conn_id=queue.connection, region_name=queue.region),
    )
