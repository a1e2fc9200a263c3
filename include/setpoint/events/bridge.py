"""EventBridge's envelope, and what the kinds that arrive in it share.

Envelope: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from setpoint.events.contract import EventError
from setpoint.events.texts import one_line, problems
from setpoint.events.vendor import Loose, Text, no_null
from setpoint.model import Event, UtcDatetime

DetailT = TypeVar("DetailT")

_GROUP_ARN = re.compile(
    r"arn:[^:]*:autoscaling:[^:]*:[^:]*:autoScalingGroup:[^:]*:autoScalingGroupName/(.+)", re.DOTALL
)


class Bridged(Loose, Generic[DetailT]):
    """An event of an EventBridge bus; ``detail`` is its source's own."""

    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=256)
    detail_type: str = Field(alias="detail-type", min_length=1, max_length=256)
    time: UtcDatetime
    account: Text = ""
    region: Text = ""
    resources: Annotated[tuple[str, ...], BeforeValidator(no_null)] = ()
    detail: DetailT


def is_bridged(body: Mapping[str, Any], source: str, detail_types: Collection[str]) -> bool:
    """Whether a JSON object is an EventBridge event of this source and of one of these detail types."""
    if body.get("source") != source or "detail" not in body:
        return False
    detail_type = body.get("detail-type")
    return isinstance(detail_type, str) and detail_type in detail_types


def event_of(
    envelope: Bridged[Any],
    *,
    kind: str,
    received_at: datetime,
    summary: str,
    payload: dict[str, JsonValue],
    targets: Iterable[str] = (),
    event_id: str | None = None,
) -> Event:
    """The event in an envelope, with the envelope's account and region in its payload.

    :param event_id: the event's own identity; the envelope's, which EventBridge repeats with every delivery of one
        event, when left out.
    :param payload: the fields worth keeping; texts in it are bounded already.
    :raises EventError: ``invalid``: a name in it is too long to be one.
    """
    try:
        return Event(
            event_id=event_id or f"{kind}:{envelope.id}",
            kind=kind,
            source=envelope.source,
            targets=tuple(dict.fromkeys(targets)),
            occurred_at=envelope.time,
            received_at=received_at,
            summary=one_line(summary),
            payload={"account": one_line(envelope.account, 50), "region": one_line(envelope.region, 50), **payload},
        )
    except ValidationError as error:
        raise EventError("invalid", f"this {kind} event cannot be read: {problems(error)}") from None


def groups_in(resources: Iterable[str]) -> list[str]:
    """The names of the Auto Scaling groups whose ARNs are among some resources."""
    return [match[1] for resource in resources if (match := _GROUP_ARN.fullmatch(resource))]
