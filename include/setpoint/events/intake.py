"""From a message to its events, and from an event to the policies that want it. Nothing here touches the world."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from setpoint.events import EVENTS
from setpoint.events.arrivals import CountRule, Wanted
from setpoint.events.contract import EventConfig, EventError
from setpoint.events.envelope import Letter, open_envelope
from setpoint.events.kept import kept
from setpoint.events.queues import Origin, listens
from setpoint.events.texts import one_line, shown
from setpoint.model import Event, digest

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

_SHOWN_NAMES = 10


@dataclass(frozen=True)
class Routed:
    """An event and the policies that want it; an event nobody wants is kept as such."""

    event: Event
    wanted: tuple[Wanted, ...]

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies."""
        return tuple(one.policy for one in self.wanted)


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
    return [event.model_copy(update={"received_at": received_at}) for event in events]


def route(event: Event, policies: Sequence[Policy], queue: Origin | None = None) -> tuple[str, ...]:
    """The names of the policies that want an event, as :func:`wanted_by` finds them.

    :raises EventError: ``unknown_policy`` or ``unknown_target``.
    """
    return tuple(one.policy for one in wanted_by(event, policies, queue))


def wanted_by(event: Event, policies: Sequence[Policy], queue: Origin | None = None) -> tuple[Wanted, ...]:
    """The policies that want an event, in the order given, and how they want it; empty when nobody does.

    A policy wants it when one of its event triggers, on this queue and of this kind, says so; an event addressed to a
    policy is for that one alone. When the event names targets and the policy does too, they must have one in common; an
    addressed event must name none but the policy's own.

    :param queue: the queue it came from; ``None`` leaves the queue out of account.
    :raises EventError: ``unknown_policy`` or ``unknown_target``.
    """
    if event.policy is not None:
        addressed = [policy for policy in policies if policy.name == event.policy]
        if not addressed:
            raise EventError("unknown_policy", _unknown("policy", [event.policy], [one.name for one in policies]))
        policies = addressed
    wanting = [(policy, matched) for policy in policies if (matched := _matched(policy, event, queue))]
    having = [(policy, matched) for policy, matched in wanting if _has_targets(policy, event)]
    if wanting and not having:
        theirs = [name for policy, _ in wanting for name in policy.targets.names()]
        raise EventError("unknown_target", _unknown("target", [t for t in event.targets if t not in theirs], theirs))
    return tuple(_wanted(policy, matched) for policy, matched in having)


def route_readings(events: Sequence[Event], policies: Sequence[Policy], queue: Origin | None = None) -> list[Routed]:
    """Route the events of one message. What nobody wants is left out; if nobody wants any, the first kind's are kept.

    :raises EventError: as :func:`route` does, when no reading found a policy.
    """
    wanted: list[Routed] = []
    refused: list[EventError] = []
    for event in events:
        try:
            if by := wanted_by(event, policies, queue):
                wanted.append(Routed(kept(event), by))
        except EventError as error:
            refused.append(error)
    if wanted:
        return wanted
    if refused:
        raise refused[0]
    return [Routed(kept(event), ()) for event in events if event.kind == events[0].kind]


def _matched(policy: Policy, event: Event, queue: Origin | None) -> tuple[EventConfig, ...]:
    """The policy's triggers that want the event."""
    return tuple(
        trigger
        for listening, trigger in listens(policy)
        if trigger.kind == event.kind
        and (queue is None or queue.same_queue(listening))
        and _asked(trigger.kind, event, trigger)
    )


def _wanted(policy: Policy, matched: Sequence[EventConfig]) -> Wanted:
    counted = [(one, one.count, one.within) for one in matched if one.count is not None and one.within is not None]
    return Wanted(
        policy=policy.name,
        debounce=policy.triggers.debounce,
        max_age=policy.triggers.max_event_age,
        # A trigger that asks for no number is content with this one event.
        rules=tuple(CountRule(digest(one.to_json()), count, within) for one, count, within in counted)
        if len(counted) == len(matched)
        else (),
    )


def _asked(kind: str, event: Event, trigger: Any) -> bool:
    try:
        return bool(EVENTS.load(kind).wanted(event, trigger))
    except Exception as error:  # other people's code: its bug must not stop the queue
        raise EventError("kind_failed", one_line(f"event kind {kind!r}: {type(error).__name__}: {error}")) from error


def _has_targets(policy: Policy, event: Event) -> bool:
    """Whether the event's targets may be the policy's. A policy that finds its targets by tags names none: it may.

    So may one whose targets are of another kind: that an ECS service finds no room is news for the policy of the group
    it runs on.
    """
    names = set(policy.targets.names())
    if not names or not event.targets:
        return True
    targets_of = getattr(EVENTS.load(event.kind), "targets_of", None)
    if targets_of is not None and targets_of != policy.targets.kind and event.policy is None:
        return True
    return names.issuperset(event.targets) if event.policy is not None else not names.isdisjoint(event.targets)


def _unknown(what: str, given: Sequence[str], known: Sequence[str]) -> str:
    named = ", ".join(_unknown_one(one, known) for one in given[:_SHOWN_NAMES])
    more = f" and {len(given) - _SHOWN_NAMES} more" if len(given) > _SHOWN_NAMES else ""
    some = ", ".join(sorted(set(known))[:_SHOWN_NAMES]) or "none"
    return f"there is no {what} {named}{more}. Known: {some}{', …' if len(set(known)) > _SHOWN_NAMES else ''}"


def _unknown_one(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"{shown(name)} (did you mean {close[0]!r}?)" if close else shown(name)
