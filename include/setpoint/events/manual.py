"""Events that no queue delivers: a person's request, the clock, an asset event posted through the REST API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt, StrictStr, ValidationError

from setpoint.events.contract import EventError
from setpoint.events.envelope import check_texts
from setpoint.events.plain_json import MAX_TARGETS, MAX_UNITS
from setpoint.events.texts import one_line, problems
from setpoint.model import Event, Request, digest
from setpoint.model.base import Name


class RunConf(BaseModel):
    """The conf of a policy's Dag run, as the trigger form and the REST API fill it. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: tuple[Name, ...] = Field(default=(), max_length=MAX_TARGETS)
    wanted_units: Annotated[StrictInt, Field(ge=0, le=MAX_UNITS)] | None = None
    dry_run: StrictBool = False
    reason: Annotated[StrictStr, Field(max_length=500)] = ""


def manual_event(
    policy: str, conf: Mapping[str, Any], *, run_id: str, requested_by: str, at: datetime, received_at: datetime
) -> Event:
    """A person's request (``kind: manual``): the trigger form, the REST API, the command line.

    :param conf: targets, wanted_units, dry_run, reason; each may be left out or ``None``.
    :param run_id: the Dag run's id: a retry of the run gives the same event.
    :raises EventError: ``invalid``, with every problem of the conf.
    """
    asked = _checked(conf, "the run's conf")
    request = _request(asked, requested_by)
    return Event(
        event_id=_identity("manual", policy, run_id),
        kind="manual",
        source=requested_by,
        policy=policy,
        targets=request.targets,
        occurred_at=at,
        received_at=received_at,
        summary=one_line(_summary(request)),
        request=request,
    )


def schedule_event(policy: str, *, run_id: str, at: datetime, received_at: datetime) -> Event:
    """A tick of the policy's schedule (``kind: schedule``); it asks for nothing but a look.

    :param at: the moment the tick stands for.
    """
    return Event(
        event_id=_identity("schedule", policy, run_id),
        kind="schedule",
        source="schedule",
        policy=policy,
        occurred_at=at,
        received_at=received_at,
        summary=f"scheduled look at {policy}",
    )


def asset_event(
    policy: str, extra: Mapping[str, Any], *, asset_event_id: int | str, at: datetime, received_at: datetime
) -> Event:
    """An asset event that somebody posted (``kind: asset``), with what its ``extra`` asks for.

    The keys that Airflow adds (``from_rest_api``, ``from_trigger``) are left out of account; the others are those of a
    run's conf, and a ``summary``. An extra with none of them is a mere wake-up.

    :param asset_event_id: Airflow's id of the asset event. It starts over when Airflow's metadata is reset, so it is
        the event's identity only together with ``at``.
    :param at: when it was posted.
    :raises EventError: ``invalid``, with every problem of the extra.
    """
    given = {key: value for key, value in extra.items() if not key.startswith("from_")}
    summary = given.pop("summary", "")
    if not isinstance(summary, str):
        raise EventError("invalid", f"the asset event's summary is a text, not {type(summary).__name__}")
    request = _request(_checked(given, "the asset event's extra"), "asset event") if given else None
    payload: dict[str, JsonValue] = {"asset_event_id": str(asset_event_id)}
    return Event(
        event_id=_identity("asset", policy, f"{asset_event_id} {at.astimezone(UTC).isoformat()}"),
        kind="asset",
        source="asset event",
        policy=policy,
        targets=request.targets if request else (),
        occurred_at=at,
        received_at=received_at,
        summary=one_line(summary or (_summary(request) if request else "asset event")),
        payload=payload,
        request=request,
    )


def was_posted(extra: Mapping[str, Any]) -> bool:
    """Whether an asset event came through the REST API; the others are wake-ups, whose events wait in the inbox."""
    return bool(extra.get("from_rest_api"))


def _checked(given: Mapping[str, Any], what: str) -> RunConf:
    content = {key: value for key, value in given.items() if value is not None}
    check_texts(content, what)
    try:
        return RunConf.model_validate(content)
    except ValidationError as error:
        raise EventError("invalid", f"{what} cannot be read: {problems(error)}") from None


def _request(asked: RunConf, requested_by: str) -> Request:
    return Request(
        targets=tuple(dict.fromkeys(asked.targets)),
        wanted_units=asked.wanted_units,
        dry_run=asked.dry_run,
        reason=asked.reason,
        requested_by=requested_by,
    )


def _summary(request: Request) -> str:
    wanted = f"capacity {request.wanted_units} wanted" if request.wanted_units is not None else "a look wanted"
    where = f" for {', '.join(request.targets)}" if request.targets else ""
    dry = " (dry run)" if request.dry_run else ""
    because = f": {request.reason}" if request.reason else ""
    return f"{wanted}{where}{dry}{because}"


def _identity(kind: str, policy: str, own: str) -> str:
    return f"{kind}:{policy}:{digest(own)}"
