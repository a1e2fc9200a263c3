"""``aws.logs``: log events that a CloudWatch Logs subscription filter let through, each an event of its own.

CloudWatch Logs delivers to a Lambda function or a Kinesis stream; a few lines of Lambda, or an EventBridge Pipe, put
what they get on the queue. How it may be wrapped: :mod:`setpoint.events.logs_payload`. The control messages with which
CloudWatch Logs tries a subscription out are counted as ``control``: neither events nor rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.envelope import parse_object
from setpoint.events.examples import packaged
from setpoint.events.logs_payload import LogBatch, LogEvent, carries_logs, unpack
from setpoint.events.texts import one_line, shown
from setpoint.events.vendor import Pattern, like
from setpoint.events.where import Where
from setpoint.jsonpath import values_at
from setpoint.model import Event, digest

KIND = "aws.logs"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogsConfig(EventConfig):
    """``kind: aws.logs``: which log events. Everything that is given must hold."""

    kind: Literal["aws.logs"]
    log_group: Pattern = Field(default="*", description="the log group's name, with * and ? as wildcards")
    log_stream: Pattern = Field(default="*", description="the log stream's name, with * and ? as wildcards")
    contains: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    ] = Field(default=(), max_length=20, description="texts that the message contains, every one; case counts")
    where: Where = Field(
        default_factory=dict,
        description="of a message that is a JSON object: JSONPath → condition; any other message is then not wanted",
    )


class LogsEvent:
    """One log event. It names no target; which policy it is for is said by the policy's filters."""

    Config: ClassVar[type[LogsConfig]] = LogsConfig
    looks_like: ClassVar[str] = (
        "a CloudWatch Logs subscription's payload: awslogs, a Kinesis record, logEvents, or gzip"
    )

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return carries_logs(body)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        batches = unpack(body, kind=KIND)
        events = [
            _event(batch, one, received_at)
            for batch in batches
            if batch.messageType == "DATA_MESSAGE"
            for one in batch.logEvents
        ]
        if not events:
            only_control = bool(batches) and all(one.messageType == "CONTROL_MESSAGE" for one in batches)
            raise EventError(
                "control_message",
                "CloudWatch Logs tries out whether a subscription's destination can be reached; "
                "it is no event, and nothing need be done about it"
                if only_control
                else f"a batch without log events, of group {shown(batches[0].logGroup if batches else '')}",
            )
        return events

    @staticmethod
    def wanted(event: Event, config: LogsConfig) -> bool:
        return LogsEvent.filter_of(config)(event)

    @staticmethod
    def filter_of(config: LogsConfig) -> Callable[[Event], bool]:
        """``wanted`` for one trigger and many events: what the trigger says is taken apart once."""
        contains, where = config.contains, tuple(config.where.items())
        streams: dict[tuple[Any, Any], bool] = {}

        def wants(event: Event) -> bool:
            told = event.payload
            stream = (told.get("log_group"), told.get("log_stream"))
            of_stream = streams.get(stream)
            if of_stream is None:
                of_stream = like(stream[0], config.log_group) and like(stream[1], config.log_stream)
                streams[stream] = of_stream
            if not of_stream:
                return False
            message = told.get("message")
            if not isinstance(message, str):
                return False
            for text in contains:
                if text not in message:
                    return False
            if not where:
                return True
            return _as_json(message) is not None and all(
                condition.holds(_values(message, path)) for path, condition in where
            )

        return wants


def _event(batch: LogBatch, one: LogEvent, received_at: datetime) -> Event:
    filters: list[JsonValue] = [one_line(name, 512) for name in batch.subscriptionFilters[:2]]
    return Event(
        event_id=f"{KIND}:{digest(batch.owner, batch.logGroup, batch.logStream, one.id)}",
        kind=KIND,
        source=one_line(f"{batch.logGroup}:{batch.logStream}", 1100),
        occurred_at=_EPOCH + timedelta(milliseconds=one.timestamp),
        received_at=received_at,
        summary=one_line(f"{batch.logGroup}: {one.message}"),
        payload={
            "account": one_line(batch.owner, 50),
            "log_group": batch.logGroup,
            "log_stream": batch.logStream,
            "subscription_filters": filters,
            "message": one.message,
        },
    )


@lru_cache(maxsize=64)
def _values(message: str, path: str) -> tuple[Any, ...]:
    """What a path leads to in a message that is a JSON object; many policies ask for the same few."""
    return tuple(values_at(path, _as_json(message)))


@lru_cache(maxsize=16)
def _as_json(message: str) -> dict[str, Any] | None:
    """A message that is a JSON object; ``None`` for any other. Many policies ask of one message, one after another."""
    if not message.lstrip().startswith("{"):
        return None
    try:
        return parse_object(message, what="the log event's message")
    except EventError:  # Log lines may look like JSON and be none; that is no fault of theirs.
        return None
