"""Take a batch of messages into the ledger's inbox: everything they caused is durable when this returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from setpoint.events.contract import EventError
from setpoint.events.intake import Routed, read_message, route_readings
from setpoint.events.queues import Origin
from setpoint.model import Event

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


@dataclass(frozen=True)
class Message:
    """A message as the queue delivered it."""

    message_id: str
    body: str


@dataclass(frozen=True)
class Refused:
    """A message that was refused, and why."""

    message_id: str
    code: str
    text: str


@dataclass(frozen=True)
class TakenIn:
    """What came of a batch of messages."""

    woken: frozenset[str]
    """The policies that have a new event waiting."""
    accepted: int
    duplicates: int
    unwanted: int
    refused: tuple[Refused, ...]

    @classmethod
    def nothing(cls) -> Self:
        """What came of no messages."""
        return cls(woken=frozenset(), accepted=0, duplicates=0, unwanted=0, refused=())

    def __add__(self, other: TakenIn) -> TakenIn:
        return TakenIn(
            woken=self.woken | other.woken,
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            unwanted=self.unwanted + other.unwanted,
            refused=self.refused + other.refused,
        )


class Accepted(Protocol):
    """What the ledger said of the events it was given."""

    @property
    def new(self) -> tuple[str, ...]: ...
    @property
    def duplicates(self) -> tuple[str, ...]: ...


class Inbox(Protocol):
    """The part of the ledger that the intake writes to."""

    def accept_events(self, routed: Sequence[tuple[Event, tuple[str, ...]]], /) -> Accepted:
        """Keep events, each once, with a delivery for every policy, in one transaction."""
        ...

    def reject_message(
        self, message_id: str, source: str, code: str, text: str, body: str, received_at: datetime
    ) -> None:
        """Keep a refused message with its reason and the beginning of its body, once."""
        ...

    def pending_policies(self, older_than: datetime | None = None) -> tuple[str, ...]:
        """The policies that have events waiting since before a moment."""
        ...


def take_in(
    messages: Sequence[Message],
    *,
    inbox: Inbox,
    kinds: Mapping[str, type[Any]],
    policies: Sequence[Policy],
    queue: Origin,
    source: str,
    now: datetime,
) -> TakenIn:
    """Read, route and commit a batch. Afterwards the messages may be deleted; when it raises, none of them may.

    A message that cannot be read never holds up the others: it goes to the ledger's rejects with its reason.

    :param kinds: the event kinds, by name.
    :param queue: the queue, or the webhook's sender, as the policies name it.
    :param source: the queue's URL, for people and for the rejects.
    :raises Exception: whatever the ledger raises; the messages are then not taken in, and come again.
    """
    routed: dict[str, Routed] = {}
    refused: list[tuple[Message, Refused]] = []
    for message in messages:
        try:
            events = read_message(
                message.body, message_id=message.message_id, source=source, received_at=now, kinds=kinds
            )
            # The same event twice in one batch is one event.
            routed |= {one.event.event_id: one for one in route_readings(events, policies, queue)}
        except EventError as error:
            refused.append((message, Refused(message.message_id, error.code, str(error))))
    accepted = inbox.accept_events([(one.event, one.policies) for one in routed.values()]) if routed else None
    for message, reason in refused:
        inbox.reject_message(message.message_id, source, reason.code, reason.text, message.body, now)
    new = [routed[event_id] for event_id in accepted.new] if accepted else []
    return TakenIn(
        woken=frozenset(name for one in new for name in one.policies),
        accepted=len(new),
        duplicates=len(accepted.duplicates) if accepted else 0,
        unwanted=sum(not one.policies for one in new),
        refused=tuple(reason for _, reason in refused),
    )
