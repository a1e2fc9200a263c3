"""The contract of an event kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import Field

from setpoint.model import Event
from setpoint.model.base import Value


class EventConfig(Value):
    """What every event trigger of a policy says. A kind's ``Config`` adds its filter options."""

    kind: str
    queue: str = Field(min_length=1, max_length=300, description="the SQS queue's name, or its URL")


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
        """Whether a policy's trigger section (an instance of ``Config``) wants this event."""
        ...
