"""``json``: a plain JSON object, for whatever can send to a queue.

::

    {
      "policy":      "storefront-web",          the policy it is for; needed when there is a request
      "targets":     ["web-1", "web-2"],        the targets it is about; all of the policy's when left out
      "summary":     "checkout queue is growing",
      "id":          "deploy-4711",             the sender's identity of the event: sent twice, it counts once
      "occurred_at": "2026-03-01T12:00:00Z",    when it happened; when it arrived, if left out
      "data":        {"region": "eu-west-1", "waiting": 4180},    whatever the sender knows, for ``where``
      "request":     {"wanted_units": 6, "dry_run": false, "reason": "campaign starts at noon"}
    }

At least ``policy``, ``targets`` or ``data`` is there; every key but these is refused. A message that names neither
policy nor targets reaches the policies whose trigger says ``where``, and whose conditions it fits. A request goes
through the policy's guards as a person's does: limits, step sizes and cooldowns hold. Whoever may send to the queue
may ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, problems
from setpoint.events.where import Where, fits
from setpoint.model import Event, Request, UtcDatetime
from setpoint.model.base import Name

KIND = "json"
MAX_TARGETS = 1000
"""Targets one message may name."""
MAX_UNITS = 1_000_000
"""The largest capacity that can be asked for; the policy's own limits lie far below it."""

_TELLING = ("policy", "targets", "request")
_OWN_KEYS = frozenset({"policy", "targets", "summary", "id", "occurred_at", "data", "request"})


class PlainJsonConfig(EventConfig):
    """``kind: json``: the messages that name this policy, one of its targets, or what ``where`` asks for."""

    kind: Literal["json"]
    where: Where = Field(default_factory=dict, description="the messages whose content fits: JSONPath → condition")


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    wanted_units: Annotated[StrictInt, Field(ge=0, le=MAX_UNITS)] | None = None
    dry_run: StrictBool = False
    reason: Annotated[StrictStr, Field(max_length=500)] = ""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Annotated[StrictStr, Field(min_length=1, max_length=63)] | None = None
    targets: tuple[Name, ...] = Field(default=(), max_length=MAX_TARGETS)
    summary: Annotated[StrictStr, Field(max_length=1000)] = ""
    id: Annotated[StrictStr, Field(min_length=1, max_length=150)] | None = None
    occurred_at: UtcDatetime | None = None
    data: JsonValue = None
    request: _Asked | None = None

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if self.policy is None and self.request is not None:
            raise PydanticCustomError("policy", "a request names the policy it is for")
        if self.policy is None and not self.targets and self.data is None:
            raise PydanticCustomError("policy", "policy, targets or data says whom the message is for")
        return self


class PlainJson:
    """A plain JSON message; the module's docstring has its keys."""

    Config: ClassVar[type[PlainJsonConfig]] = PlainJsonConfig
    looks_like: ClassVar[str] = "an object with policy, targets or request, or with data and none but these keys"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return any(key in body for key in _TELLING) or ("data" in body and _OWN_KEYS.issuperset(body))

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        try:
            message = _Message.model_validate(dict(body))
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} message cannot be read: {problems(error)}") from None
        identity = f"id:{message.policy or ''}:{message.id}" if message.id else f"message:{message_id}"
        targets = tuple(dict.fromkeys(message.targets))
        return [
            Event(
                event_id=f"{KIND}:{identity}",
                kind=KIND,
                source=source,
                policy=message.policy,
                targets=targets,
                occurred_at=message.occurred_at or received_at,
                received_at=received_at,
                summary=one_line(message.summary),
                payload={} if message.data is None else {"data": message.data},
                request=_request(message.request, targets, source),
            )
        ]

    @staticmethod
    def wanted(event: Event, config: PlainJsonConfig) -> bool:
        if not config.where:
            return event.policy is not None or bool(event.targets)
        return fits(config.where, {**_texts(event), **event.payload})


def _texts(event: Event) -> dict[str, Any]:
    return {"policy": event.policy, "targets": list(event.targets), "summary": event.summary}


def _request(asked: _Asked | None, targets: tuple[str, ...], source: str) -> Request | None:
    if asked is None:
        return None
    return Request(
        targets=targets,
        wanted_units=asked.wanted_units,
        dry_run=asked.dry_run,
        reason=asked.reason,
        requested_by=source,
    )
