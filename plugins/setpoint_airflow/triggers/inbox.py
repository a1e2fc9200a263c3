"""The trigger that wakes a policy when an event for it is in the inbox.

Light to import, because the Dag files do: the provider, the ledger and the policies are reached only in the triggerer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Hashable, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from setpoint.events.queues import QueueRef
from setpoint_airflow.listening import listeners, listening
from setpoint_airflow.nudge import nudge

if TYPE_CHECKING:
    from setpoint_airflow.queue_stream import WakeUp

log = structlog.get_logger("setpoint.inbox")

_AGAIN_SECONDS = 30.0


class InboxTrigger(BaseEventTrigger):
    """Fires when a policy has events waiting in the ledger's inbox.

    All triggers of one queue share one long poll (see :mod:`setpoint_airflow.queue_stream`). The event this fires
    carries nothing but the policy's name and why: the run it starts drains the inbox, so a lost or doubled wake-up does
    no harm.

    :param policy: the policy to wake.
    :param queue: the SQS queue's name, or its URL; ``None`` for a policy whose events come another way, through the
        webhook or with other Dags' assets: then the stream only looks for what waits in the ledger.
    :param aws_conn_id: the Airflow connection that reads the queue.
    :param region_name: the queue's region; the connection's own when ``None``.
    """

    def __init__(
        self, *, policy: str, queue: str | None, aws_conn_id: str = "aws_default", region_name: str | None = None
    ) -> None:
        super().__init__()
        self.policy = policy
        self.queue = queue
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "policy": self.policy,
                "queue": self.queue,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
            },
        )

    def shared_stream_key(self) -> Hashable:
        return _key(self.serialize()[1])

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncGenerator[WakeUp, None]:
        async with aclosing(_wake_ups(kwargs, lambda: listeners(_key(kwargs)))) as wake_ups:
            async for wake_up in wake_ups:
                yield wake_up

    async def filter_shared_stream(self, shared_stream: AsyncIterator[WakeUp]) -> AsyncGenerator[TriggerEvent, None]:
        """Fire for this trigger's policy. Never raises: a filter that does takes its policy off the stream for good."""
        try:
            with listening(self.shared_stream_key(), self.policy):
                async for wake_up in shared_stream:
                    if (event := self._event(wake_up)) and not await self._started(wake_up):
                        yield event
        except Exception as error:  # a filter that raises is not started again by the triggerer
            log.exception(
                "the shared stream ended; this policy reads the queue by itself from here on",
                policy=self.policy,
                error=f"{type(error).__name__}: {error}",
            )
        async with aclosing(self.run()) as events:
            async for event in events:
                yield event

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Read the queue alone, again and again. Only when Airflow cannot share the stream."""
        while True:
            try:
                async with aclosing(_wake_ups(self.serialize()[1], lambda: {self.policy})) as wake_ups:
                    async for wake_up in wake_ups:
                        if event := self._event(wake_up):
                            yield event
            except Exception as error:  # nor is a trigger that does
                log.exception("the queue cannot be read", policy=self.policy, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _started(self, wake_up: WakeUp) -> bool:
        """Whether the run could be started without this trigger's event, which is sooner."""
        # A wake-up that seems to be lost goes the other way than the first.
        if wake_up.reason == "sweep":
            return False
        module = await asyncio.to_thread(import_module, "setpoint_airflow.run_starter")
        starter = module.run_starter()
        if not await starter.start(self.policy, wake_up.reason):
            return False
        nudge()
        await starter.paused(self.policy)
        return True

    def _event(self, wake_up: WakeUp) -> TriggerEvent | None:
        if self.policy not in wake_up.policies:
            return None
        return TriggerEvent({"policy": self.policy, "reason": wake_up.reason})


def _key(kwargs: Mapping[str, Any]) -> Hashable:
    if kwargs["queue"] is None:
        return ("setpoint.inbox", "ledger")
    return ("setpoint.inbox", kwargs["aws_conn_id"], kwargs["region_name"], kwargs["queue"])


async def _wake_ups(kwargs: Mapping[str, Any], here: Callable[[], Collection[str]]) -> AsyncGenerator[WakeUp, None]:
    """The wake-ups of a trigger's queue.

    :param here: the policies that can be woken by them, as it is now.
    """
    # In a thread, because it imports the policies' schema and would hold up every trigger of the process.
    module = await asyncio.to_thread(import_module, "setpoint_airflow.queue_stream")
    queue = None
    if kwargs["queue"] is not None:
        queue = QueueRef(connection=kwargs["aws_conn_id"], region=kwargs["region_name"], queue=kwargs["queue"])
    async with aclosing(module.QueueStream(queue, listeners=here).wake_ups()) as wake_ups:
        async for wake_up in wake_ups:
            yield wake_up
