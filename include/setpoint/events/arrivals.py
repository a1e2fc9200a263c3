"""What the intake hands to the ledger: messages, their events, and by whom and how each is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from setpoint.events.contract import CONTROL_MESSAGE
from setpoint.model.event import Event


@dataclass(frozen=True)
class CountRule:
    """A trigger that is content only with a number of events inside a window.

    :param rule: the trigger's identity, 32 characters at most; events of one policy and rule are counted together.
    :param count: the number.
    :param within: the window's length.
    """

    rule: str
    count: int
    within: timedelta


@dataclass(frozen=True)
class Wanted:
    """A policy that wants an event.

    :param debounce: how long after it was woken the policy is not woken once more.
    :param max_age: an event that occurred longer ago wakes nobody; ``None`` sets no limit.
    :param rules: counted triggers that it matches. Empty: it wakes the policy by itself, as one with a request does.
    """

    policy: str
    debounce: timedelta = timedelta(0)
    max_age: timedelta | None = None
    rules: tuple[CountRule, ...] = ()


@dataclass(frozen=True)
class Arrival:
    """A message, and what was made of it: events, or a refusal.

    :param source: where it came from; with the message's id it is the message's identity.
    :param origin: where it came from as policies name it, to route it once more; JSON.
    :param refused: code and text.
    """

    message_id: str
    source: str
    body: str
    events: tuple[tuple[Event, tuple[Wanted, ...]], ...] = ()
    refused: tuple[str, str] | None = None
    origin: Mapping[str, Any] | None = None

    @property
    def control(self) -> bool:
        """It is no event and no fault: a sender tries out the way."""
        return self.refused is not None and self.refused[0] == CONTROL_MESSAGE

    @property
    def wanted(self) -> bool:
        """Somebody wants one of its events."""
        return any(wanted for _, wanted in self.events)
