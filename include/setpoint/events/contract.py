"""The contract of an event kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from setpoint.model import Event
from setpoint.model.base import Value
from setpoint.policy.fields import refuse

SenderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A sender of the webhook, as ``senders.yaml`` names it; it stands in the webhook's path."""


class EventConfig(Value):
    """What every event trigger of a policy says. A kind's ``Config`` adds its filter options."""

    kind: str
    queue: str | None = Field(
        default=None, min_length=1, max_length=300, description="the SQS queue's name, or its URL"
    )
    webhook: SenderName | None = Field(
        default=None, description="instead of a queue: the sender that may post to the webhook"
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.queue is None) == (self.webhook is None):
            raise refuse("an event comes through a queue or through the webhook; name one of queue and webhook")
        return self


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
