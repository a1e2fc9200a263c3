"""Why we look now."""

from __future__ import annotations

from pydantic import Field, JsonValue

from setpoint.model.base import Name, Units, UtcDatetime, Value


class Request(Value):
    """What a person (or a program for one) asked for, through the trigger form, the REST API or the CLI."""

    targets: tuple[Name, ...] = ()
    """Targets to look at; empty means the policy's whole fleet."""
    wanted_units: Units | None = None
    """The capacity wanted; ``None`` lets the policy's strategy decide."""
    dry_run: bool = False
    reason: str = Field(default="", max_length=500)
    requested_by: str = ""


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
