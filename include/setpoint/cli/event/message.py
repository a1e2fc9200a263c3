"""The message ``setpoint event send`` sends, checked before it leaves: what would be refused is refused here."""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setpoint.cli.output import CommandError, ExitCode

if TYPE_CHECKING:
    from setpoint.events.queues import Origin
    from setpoint.policy.schema import Policy


@dataclass(frozen=True)
class Asked:
    """What the caller said."""

    policy: str
    targets: tuple[str, ...]
    wanted_units: int | None
    dry_run: bool
    reason: str
    summary: str
    event_id: str | None

    @property
    def has_request(self) -> bool:
        return self.wanted_units is not None or self.dry_run or bool(self.reason)

    @property
    def given(self) -> bool:
        """Something beside the policy was said."""
        return self.has_request or bool(self.targets or self.summary or self.event_id)


@dataclass(frozen=True)
class Outgoing:
    """A message that is ready to be sent."""

    message_id: str
    body: str
    kind: str | None
    """The one kind it is sent as; ``None`` leaves that to whoever reads it."""


def compose(asked: Asked) -> Outgoing:
    """A plain message (``kind: json``) of what was asked for."""
    message_id = asked.event_id or f"cli-{uuid.uuid4()}"
    content: dict[str, Any] = {
        "policy": asked.policy,
        "id": message_id,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    if asked.targets:
        content["targets"] = list(asked.targets)
    if asked.summary:
        content["summary"] = asked.summary
    if asked.has_request:
        content["request"] = {"dry_run": asked.dry_run, "reason": asked.reason}
        if asked.wanted_units is not None:
            content["request"]["wanted_units"] = asked.wanted_units
    return Outgoing(message_id, json.dumps(content), "json")


def from_file(file: Path, kind: str | None) -> Outgoing:
    """A message as it stands in a file; ``-`` is standard input.

    :raises CommandError: the file cannot be read, or there is no such kind.
    """
    from setpoint.events import EVENTS
    from setpoint.policy.problems import closest

    if kind is not None and kind not in EVENTS:
        close = closest(kind, EVENTS.names())
        hint = f"; did you mean {close}?" if close else "."
        raise CommandError(f"--kind {kind}: there is no such kind{hint} Known: {', '.join(EVENTS)}", ExitCode.USAGE)
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        body = raw.decode("utf-8")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CommandError(f"--file {file}: {why}", ExitCode.USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"--file {file}: this is not UTF-8: {error}", ExitCode.USAGE) from error
    return Outgoing(f"cli-{uuid.uuid4()}", body, kind)


def check_limits(asked: Asked, policy: Policy) -> None:
    """Hold what a person asks for to the policy's limits, as the trigger form does.

    :raises CommandError: the wanted capacity is outside them.
    """
    limits = policy.limits
    if asked.wanted_units is not None and not limits.min <= asked.wanted_units <= limits.max:
        raise CommandError(
            f"--wanted-units {asked.wanted_units} is outside the limits of {policy.name}, {limits.min} to {limits.max}",
            ExitCode.NO,
        )


def check(outgoing: Outgoing, policy: Policy, policies: list[Policy], origin: Origin | None) -> None:
    """Read the message as the intake will.

    :param origin: the way it will go in; ``None`` for the ledger.
    :raises CommandError: it would be refused, or the policy would not want it.
    """
    from setpoint.events.contract import EventError
    from setpoint.events.intake import event_kinds, read_message
    from setpoint.events.routing import route_readings

    kinds = event_kinds()
    if outgoing.kind is not None:
        kinds = {outgoing.kind: kinds[outgoing.kind]}
    try:
        events = read_message(
            outgoing.body,
            message_id=outgoing.message_id,
            source="command line",
            received_at=datetime.now(UTC),
            kinds=kinds,
        )
        wanted = {name for one in route_readings(events, policies, origin) for name in one.policies}
    except EventError as error:
        raise CommandError(f"the message would be refused ({error.code}): {error}", ExitCode.NO) from error
    if policy.name not in wanted:
        found = ", ".join(sorted({event.kind for event in events}))
        asked = ", ".join(sorted({one.kind for one in policy.triggers.events})) or "none"
        raise CommandError(
            f"policy {policy.name} would not want this message: it is of kind {found}, and the policy's triggers are "
            f"of kind {asked}, with their filters",
            ExitCode.NO,
        )
