"""From a message to its events. Nothing here touches the world."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from setpoint.events import EVENTS
from setpoint.events.contract import EventError
from setpoint.events.envelope import Letter, open_envelope
from setpoint.events.texts import one_line, shown
from setpoint.model import Event

_SHOWN_NAMES = 10


def event_kinds() -> dict[str, type[Any]]:
    """Every registered event kind by name.

    :raises ExtensionError: one cannot be loaded.
    """
    return {name: EVENTS.load(name) for name in EVENTS}


def read_message(
    body: str,
    *,
    message_id: str,
    source: str,
    received_at: datetime,
    kinds: Mapping[str, type[Any]],
    sent_at: datetime | None = None,
) -> tuple[Event, ...]:
    """The events in a queue's message: what each kind that recognises it makes of it.

    One message may be read by two kinds (an alarm's state change is an EventBridge event too); each policy then gets
    the reading that its trigger asks for.

    :param body: the message as the queue delivered it.
    :param message_id: the queue's own id of the message.
    :param source: the queue, for people.
    :param kinds: the kinds to try, by name.
    :param sent_at: when the queue got it: when an event occurred that does not say so itself.
    :raises EventError: nothing can be made of it; ``setpoint.events.rejects`` lists the codes.
    """
    letter = open_envelope(body, message_id=message_id, source=source)
    read: list[Event] = []
    refused: list[EventError] = []
    for name, kind in kinds.items():
        try:
            if kind.recognises(letter.content):
                read += _parse(kind, letter, received_at, sent_at)
        except EventError as error:
            refused.append(error)
        except Exception as error:  # noqa: BLE001  # other people's code: its bug must not stop the queue
            refused.append(EventError("kind_failed", one_line(f"event kind {name!r}: {type(error).__name__}: {error}")))
    if read:
        return tuple(read)
    if refused:
        raise EventError(refused[0].code, "; ".join(str(error) for error in refused))
    keys = shown(sorted(letter.content)[:_SHOWN_NAMES], 300)
    known = "; ".join(f"{name} is {kind.looks_like}" for name, kind in kinds.items())
    raise EventError("unknown_kind", f"no event kind recognises an object with the keys {keys}. Known: {known}")


def _parse(kind: type[Any], letter: Letter, received_at: datetime, sent_at: datetime | None) -> list[Event]:
    at = received_at if sent_at is None else min(sent_at, received_at)
    events: list[Event] = kind.parse(letter.content, message_id=letter.message_id, source=letter.source, received_at=at)
    return [
        event if event.received_at == received_at else event.model_copy(update={"received_at": received_at})
        for event in events
    ]
