"""From an event to the policies that want it. Nothing here touches the world."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from setpoint.events import EVENTS
from setpoint.events.arrivals import CountRule, Wanted
from setpoint.events.contract import EventConfig, EventError
from setpoint.events.kept import kept
from setpoint.events.queues import Origin, listens
from setpoint.events.texts import one_line, shown
from setpoint.model import Event, digest

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

MAX_UNWANTED = 10
"""Events of one message that nobody wants and that are kept each for itself: a batch may hold thousands."""
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


@dataclass(frozen=True)
class _Listener:
    """One trigger of a policy, on this queue."""

    policy: Policy
    targets: frozenset[str]
    """Those the policy names itself; empty when it finds them by their tags or the like."""
    trigger: EventConfig


Filter = Callable[[Event], bool]


class Routes:
    """The event triggers of some policies, laid out once for all messages of a queue.

    One message may hold thousands of events (a batch of log lines), and each is asked about by every trigger; so
    whatever does not depend on the event is worked out here, and only the kind's own filter is asked each time.

    :param policies: in the order in which those that want an event are named.
    :param queue: the queue the events come from; ``None`` leaves the queue out of account.
    """

    def __init__(self, policies: Sequence[Policy], queue: Origin | None = None) -> None:
        self._names = tuple(one.name for one in policies)
        self._listeners: dict[str, list[_Listener]] = {}
        self._filters: dict[str, list[tuple[_Listener, Filter]]] = {}
        self._wanted: dict[tuple[int, ...], Wanted] = {}
        for policy in policies:
            targets = frozenset(policy.targets.names())
            for listening, trigger in listens(policy):
                if queue is None or queue.same_queue(listening):
                    self._listeners.setdefault(trigger.kind, []).append(_Listener(policy, targets, trigger))

    def wanted_by(self, event: Event) -> tuple[Wanted, ...]:
        """The policies that want an event, in the order given, and how they want it; empty when nobody does.

        A policy wants it when one of its event triggers, on this queue and of this kind, says so; an event addressed to
        a policy is for that one alone. When the event names targets and the policy does too, they must have one in
        common; an addressed event must name none but the policy's own.

        :raises EventError: ``unknown_policy``, ``unknown_target``, or ``kind_failed``.
        """
        if event.policy is not None and event.policy not in self._names:
            raise EventError("unknown_policy", _unknown("policy", [event.policy], self._names))
        matched = self._matched(event)
        if not matched:
            return ()
        having = [one for one in matched if _has_targets(one, event)]
        if not having:
            theirs = list(dict.fromkeys(name for one in matched for name in one.policy.targets.names()))
            foreign = [target for target in event.targets if target not in theirs]
            raise EventError("unknown_target", _unknown("target", foreign, theirs))
        by_policy: dict[str, list[_Listener]] = {}
        for one in having:
            by_policy.setdefault(one.policy.name, []).append(one)
        return tuple(self._as_wanted(those) for those in by_policy.values())

    def _matched(self, event: Event) -> list[_Listener]:
        """The triggers that want the event, those of one policy after another."""
        try:
            filters = self._filters.get(event.kind)
            if filters is None:
                filters = self._filters[event.kind] = _filters(event.kind, self._listeners.get(event.kind, ()))
            if event.policy is not None:
                filters = [(one, wants) for one, wants in filters if one.policy.name == event.policy]
            return [one for one, wants in filters if wants(event)]
        except Exception as error:  # other people's code: its bug must not stop the queue
            problem = one_line(f"event kind {event.kind!r}: {type(error).__name__}: {error}")
            raise EventError("kind_failed", problem) from error

    def route_readings(self, events: Sequence[Event]) -> list[Routed]:
        """Route the events of one message. What nobody wants is left out; if nobody wants any, the first kind's stay.

        More than :data:`MAX_UNWANTED` of them stay as one, the first, with their number.

        :raises EventError: as :meth:`wanted_by` does, when no reading found a policy.
        """
        wanted: list[Routed] = []
        refused: list[EventError] = []
        for event in events:
            try:
                if by := self.wanted_by(event):
                    wanted.append(Routed(kept(event), by))
            except EventError as error:
                refused.append(error)
        if wanted:
            return wanted
        if refused:
            raise refused[0]
        return [Routed(kept(event), ()) for event in _in_short([one for one in events if one.kind == events[0].kind])]

    def _as_wanted(self, those: Sequence[_Listener]) -> Wanted:
        key = tuple(id(one) for one in those)  # they live as long as this does
        if key not in self._wanted:
            self._wanted[key] = _wanted(those[0].policy, [one.trigger for one in those])
        return self._wanted[key]


def route(event: Event, policies: Sequence[Policy], queue: Origin | None = None) -> tuple[str, ...]:
    """The names of the policies that want an event, as :meth:`Routes.wanted_by` finds them.

    :raises EventError: ``unknown_policy``, ``unknown_target``, or ``kind_failed``.
    """
    return tuple(one.policy for one in Routes(policies, queue).wanted_by(event))


def route_readings(events: Sequence[Event], policies: Sequence[Policy], queue: Origin | None = None) -> list[Routed]:
    """Route the events of one message, as :meth:`Routes.route_readings` does.

    :raises EventError: as :func:`route` does, when no reading found a policy.
    """
    return Routes(policies, queue).route_readings(events)


def _in_short(unwanted: Sequence[Event]) -> Sequence[Event]:
    """Events nobody wants, as they are; of many, the first one with their number. The message's body has them all."""
    if len(unwanted) <= MAX_UNWANTED:
        return unwanted
    first, more = unwanted[0], len(unwanted) - 1
    told = {
        "event_id": f"{first.kind}:unwanted:{digest([one.event_id for one in unwanted])}",
        "summary": one_line(f"{first.summary[:900]} (the first of {len(unwanted)} events of one message)"),
        "payload": {**first.payload, "more_events": more},
    }
    return [first.model_copy(update=told)]


def _filters(kind_name: str, listeners: Sequence[_Listener]) -> list[tuple[_Listener, Filter]]:
    """Each trigger with what its kind says of an event."""
    if not listeners:
        return []
    kind: Any = EVENTS.load(kind_name)
    make = getattr(kind, "filter_of", None) or partial(partial, _asks, kind)
    return [(one, make(one.trigger)) for one in listeners]


def _asks(kind: Any, trigger: EventConfig, event: Event) -> bool:
    return bool(kind.wanted(event, trigger))


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


def _has_targets(listener: _Listener, event: Event) -> bool:
    """Whether the event's targets may be the policy's. A policy that finds its targets by tags names none: it may.

    So may one whose targets are of another kind: that an ECS service finds no room is news for the policy of the group
    it runs on.
    """
    names = listener.targets
    if not names or not event.targets:
        return True
    targets_of: Any = getattr(EVENTS.load(event.kind), "targets_of", None)
    if targets_of is not None and targets_of != listener.policy.targets.kind and event.policy is None:
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
