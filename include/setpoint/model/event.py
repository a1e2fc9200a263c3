"""Why we look now."""

from __future__ import annotations

from typing import Self

from pydantic import Field, JsonValue, model_validator

from setpoint.model.base import Name, Units, UtcDatetime, Value


class Request(Value):
    """What a person (or a program for one) asked for, through the trigger form, the REST API or the CLI."""

    targets: tuple[Name, ...] = ()
    """Targets to look at; empty means the policy's whole fleet."""
    wanted_units: Units | None = None
    """The capacity wanted; ``None`` lets the policy's strategy decide."""
    at_least_units: Units | None = None
    """The capacity wanted at least; a target that has more keeps it. Not together with ``wanted_units``."""
    dry_run: bool = False
    reason: str = Field(default="", max_length=500)
    requested_by: str = ""

    @model_validator(mode="after")
    def _one_capacity(self) -> Self:
        if self.wanted_units is not None and self.at_least_units is not None:
            raise ValueError("a request wants a capacity, or at least a capacity, and not both")
        return self

    @property
    def wants_capacity(self) -> bool:
        """Whether it names a capacity; otherwise it asks for a look, and the policy's strategy decides."""
        return self.wanted_units is not None or self.at_least_units is not None


class Event(Value):
    """Something moved. An event is a wake-up, not the truth: the metrics decide."""

    event_id: Name
    """The source's own identity of this event: the same event delivered twice has the same id."""
    kind: Name
    """The registered event kind that parsed it, such as ``cloudwatch.alarm``."""
    source: str
    """Where it came from, for people: an alarm's ARN, a queue, a user's name."""
    policy: Name | None = None
    """The policy it is addressed to; ``None`` leaves that to the policies' own event filters."""
    targets: tuple[Name, ...] = ()
    """The targets it names, if it names any."""
    occurred_at: UtcDatetime
    received_at: UtcDatetime
    summary: str = Field(default="", max_length=1000)
    """One line for people. Text from outside: data, never a template, a query or markup."""
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    """The few fields worth keeping; the parser chooses them, so that a payload stays small."""
    request: Request | None = None
