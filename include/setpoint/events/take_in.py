"""Take a batch of messages into the ledger's inbox: everything they caused is durable when this returns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.events.contract import EventError
from setpoint.events.intake import read_message
from setpoint.events.queues import Origin
from setpoint.events.routing import Routes
from setpoint.events.texts import one_line
from setpoint.model import Event

if TYPE_CHECKING:
    from setpoint.ledger import Receipt, Received
    from setpoint.policy.schema import Policy


MAX_AHEAD = timedelta(minutes=5)
"""How far ahead of ours a sender's clock may be. Further, and nobody could tell when its events are too old."""


@dataclass(frozen=True)
class Message:
    """A message as it was delivered.

    :param message_id: the transport's own id of it.
    :param sent_at: when the transport got it; ``None`` when it does not say.
    :param identity: what the sender says the message's identity is, for events that have none of their own; the
        message's id when it does not.
    """

    message_id: str
    body: str
    sent_at: datetime | None = None
    identity: str | None = None


@dataclass(frozen=True)
class Refused:
    """A message that was refused, and why."""

    message_id: str
    code: str
    text: str


@dataclass(frozen=True)
class TakenIn:
    """What came of a batch of messages."""

    receipts: tuple[Receipt, ...] = ()
    """One for each message, in their order; of a message that came before, the one of then."""
    woken: frozenset[str] = frozenset()
    """The policies to wake now."""
    refused: tuple[Refused, ...] = ()
    """The messages refused now, with their reasons."""
    repeated: int = 0
    """Messages that came before."""

    def count(self, *fates: str) -> int:
        """How many messages met one of these fates."""
        return sum(one.fate in fates for one in self.receipts)

    @property
    def accepted(self) -> int:
        """Messages with something new in them, wanted or not."""
        return self.count("accepted", "too_old", "unwanted")

    @property
    def duplicates(self) -> int:
        """Messages whose events were all known."""
        return self.count("duplicate")

    @property
    def unwanted(self) -> int:
        """Messages whose events no policy wants."""
        return self.count("unwanted")

    @property
    def control(self) -> int:
        """Messages with which a sender tries out the way."""
        return self.count("control")

    @classmethod
    def nothing(cls) -> Self:
        """What came of no messages."""
        return cls()

    def __add__(self, other: TakenIn) -> TakenIn:
        return TakenIn(
            receipts=self.receipts + other.receipts,
            woken=self.woken | other.woken,
            refused=self.refused + other.refused,
            repeated=self.repeated + other.repeated,
        )


class Inbox(Protocol):
    """The part of the ledger that the intake writes to."""

    def receive(
        self,
        arrivals: Sequence[Arrival],
        now: datetime,
        *,
        window: timedelta | None,
        listening: Collection[str] | None,
        again: bool = False,
    ) -> Received:
        """Keep messages, what was made of them, and whom they wake, in one transaction."""
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
    window: timedelta | None = timedelta(days=7),
    listening: Collection[str] | None = None,
) -> TakenIn:
    """Read, route and commit a batch. Afterwards the messages may be deleted; when it raises, none of them may.

    A message that cannot be read never holds up the others: it goes to the ledger's rejects with its reason.

    :param kinds: the event kinds, by name.
    :param queue: the queue, or the webhook's sender, as the policies name it.
    :param source: the queue's URL, for people; with its id it is a message's identity.
    :param window: how long an event's identity is remembered (``SETPOINT_DEDUPE_WINDOW``).
    :param listening: the policies the caller can wake; others wait for whoever can. ``None`` for all.
    :raises Exception: whatever the ledger raises; the messages are then not taken in, and come again.
    """
    routes = Routes(policies, queue)
    arrivals = [_arrival(one, kinds=kinds, routes=routes, queue=queue, source=source, now=now) for one in messages]
    received = inbox.receive(arrivals, now, window=window, listening=listening)
    return TakenIn(
        receipts=received.receipts,
        woken=received.woken,
        refused=tuple(
            Refused(one.message_id, *one.refused) for one in arrivals if one.refused is not None and not one.control
        ),
        repeated=sum(one.receipt_id in received.known for one in received.receipts),
    )


def read_arrival(
    message: Message,
    *,
    kinds: Mapping[str, type[Any]],
    policies: Sequence[Policy],
    queue: Origin | None,
    source: str,
    now: datetime,
) -> Arrival:
    """What a message turns out to be: events with those who want them, or a refusal.

    :param queue: where it came from, as the policies name it; ``None`` leaves that out of account.
    """
    return _arrival(message, kinds=kinds, routes=Routes(policies, queue), queue=queue, source=source, now=now)


def _arrival(
    message: Message,
    *,
    kinds: Mapping[str, type[Any]],
    routes: Routes,
    queue: Origin | None,
    source: str,
    now: datetime,
) -> Arrival:
    events: list[tuple[Event, tuple[Wanted, ...]]] = []
    refused: tuple[str, str] | None = None
    try:
        read = read_message(
            message.body,
            message_id=message.identity or message.message_id,
            source=source,
            received_at=now,
            kinds=kinds,
            sent_at=message.sent_at,
        )
        _refuse_future(read, now)
        events = [(one.event, one.wanted) for one in routes.route_readings(read)]
    except EventError as error:
        refused = (error.code, str(error))
    return Arrival(
        message_id=message.message_id,
        source=source,
        body=message.body,
        events=tuple(events),
        refused=refused,
        origin=None if queue is None else queue.to_json(),
    )


def _refuse_future(events: Sequence[Event], now: datetime) -> None:
    """:raises EventError: ``in_future``."""
    ahead = next((event for event in events if event.occurred_at > now + MAX_AHEAD), None)
    if ahead is not None:
        raise EventError(
            "in_future",
            f"this {ahead.kind} occurs at {ahead.occurred_at:%FT%TZ}, and it is {now:%FT%TZ} here: at most "
            f"{MAX_AHEAD.seconds // 60} minutes are taken for a clock that is ahead; correct the sender's",
        )


def set_aside(
    message: Message, *, inbox: Inbox, queue: Origin, source: str, error: Exception, deliveries: int, now: datetime
) -> Refused:
    """Put a message into the rejects that the ledger could not take in again and again, though it takes others.

    :param error: what it fails with.
    :raises Exception: it cannot take it as a reject either; the queue's own dead-letter queue gets it in the end.
    """
    why = EventError(
        "not_stored",
        one_line(f"delivered {deliveries} times, and the ledger could not take it in: {type(error).__name__}: {error}"),
    )
    arrival = Arrival(
        message_id=message.message_id,
        source=source,
        body=message.body,
        refused=(why.code, str(why)),
        origin=queue.to_json(),
    )
    inbox.receive([arrival], now, window=None, listening=())
    return Refused(message.message_id, why.code, str(why))
