"""The contract of an event kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from setpoint.model import Event
from setpoint.model.base import Value
from setpoint.policy.fields import Duration, refuse

SenderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A sender of the webhook, as ``senders.yaml`` names it; it stands in the webhook's path."""


MAX_COUNT = 1000
"""The largest number a trigger may ask for."""
MIN_WITHIN, MAX_WITHIN = timedelta(seconds=1), timedelta(hours=1)
"""How long the window may be in which they are counted."""


class EventConfig(Value):
    """What every event trigger of a policy says. A kind's ``Config`` adds its filter options."""

    kind: str
    queue: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="the SQS queue's name, or its URL; another transport's with its scheme",
    )
    webhook: SenderName | None = Field(
        default=None, description="instead of a queue: the sender that may post to the webhook"
    )

    count: int | None = Field(
        default=None, ge=2, le=MAX_COUNT, description="wake the policy only when so many occur within a window"
    )
    within: Duration | None = Field(default=None, description="with count: the window's length")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.queue is None) == (self.webhook is None):
            raise refuse("an event comes through a queue or through the webhook; name one of queue and webhook")
        return self

    @model_validator(mode="after")
    def _count_within(self) -> Self:
        if (self.count is None) != (self.within is None):
            raise refuse("count and within go together: so many events, within so long a window")
        if self.within is not None and not MIN_WITHIN <= self.within <= MAX_WITHIN:
            raise refuse("within is 1s to 1h")
        return self


CONTROL_MESSAGE = "control_message"
"""The code of a message with which a sender tries out the way: no event, and nothing wrong with it either."""


class EventError(ValueError):
    """A message that is refused: what is wrong, where, which value, what is allowed.

    :param code: the reason a program reads; ``setpoint.events.rejects`` lists them.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EventKind(Protocol):
    """Parses one kind of message."""

    Config: ClassVar[type[EventConfig]]
    looks_like: ClassVar[str]
    """How a person tells a message of this kind, in half a sentence: ``an object with AlarmName and NewStateValue``."""

    # A kind whose events name targets of one kind only says so in ``targets_of: ClassVar[str]``, ``aws.ecs_service``.
    # To a policy of another kind of target those names say nothing: it may want the event, and is not asked for them.
    #
    # A kind whose messages hold thousands of events may have ``filter_of(config)``, a static method that returns what
    # ``wanted`` answers as a function of the event alone, with everything worked out that depends on the trigger only.

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        """Messages as the sender documents them, by a name for each: for the reference and the contract tests."""
        ...

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        """Whether a JSON object, taken out of its envelope (SNS), is of this kind."""
        ...

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        """The events in a message that ``recognises`` accepted. The same message gives the same ``event_id`` again.

        :param message_id: the delivery's identity (SNS's message id, else SQS's), for kinds without one of their own.
        :param source: where the message came from: the SNS topic, else the queue.
        :param received_at: when the message was sent, as the queue has it, else when it came: what an event's
            ``occurred_at`` is when the message itself does not say it. The intake sets the event's ``received_at``.
        :raises EventError: it does not parse.
        """
        ...

    @staticmethod
    def wanted(event: Event, config: Any) -> bool:
        """Whether a policy's trigger section (an instance of ``Config``) wants this event.

        The event's payload still holds everything the parser put there; what is large is left out when it is kept
        (:mod:`setpoint.events.kept`), so a filter such as :mod:`setpoint.events.where` goes by the whole content.
        """
        ...
