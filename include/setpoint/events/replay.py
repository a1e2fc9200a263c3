"""Read a message once more, with today's kinds and policies: one that was refused, or that nobody wanted.

That is for after a fix: a policy that was broken or missing, an event kind that was not installed. A person asks for
it, so the age limit is not asked about; whether anything changes is decided on the metrics of the moment, as always.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from setpoint.events.queues import Origin, QueueRef, WebhookRef
from setpoint.events.take_in import Message, Refused, read_arrival

if TYPE_CHECKING:
    from setpoint.ledger import Ledger, Receipt
    from setpoint.policy.schema import Policy


@dataclass(frozen=True)
class Replayed:
    """What came of a message that was read once more."""

    receipt: Receipt
    """Its fate now. ``rejected`` or ``unwanted`` again leaves it where it was."""
    woken: frozenset[str]
    """The policies the caller is to wake now."""
    refused: Refused | None = None
    """Why it was refused again."""


def replay_reject(
    reject_id: str,
    *,
    ledger: Ledger,
    kinds: Mapping[str, type[Any]],
    policies: Sequence[Policy],
    now: datetime,
    window: timedelta | None = timedelta(days=7),
    listening: Collection[str] | None = None,
) -> Replayed:
    """Read a refused message again. It is in the rejects still, as replayed, or as open when it is refused again.

    :param window: how long an event's identity is remembered.
    :param listening: the policies the caller can wake; ``()`` leaves that to the running streams, which look every
        second. ``None`` for all.
    :raises NotRecorded: there is no such reject.
    :raises ValueError: its body was too long to be kept whole.
    """
    return _again(reject_id, ledger, kinds, policies, now, window, listening)


def redeliver_unwanted(
    receipt_id: str,
    *,
    ledger: Ledger,
    kinds: Mapping[str, type[Any]],
    policies: Sequence[Policy],
    now: datetime,
    window: timedelta | None = timedelta(days=7),
    listening: Collection[str] | None = None,
) -> Replayed:
    """Route a message again that no policy wanted; ``ledger.receipts(fate="unwanted")`` lists them.

    Parameters and errors are those of :func:`replay_reject`.
    """
    return _again(receipt_id, ledger, kinds, policies, now, window, listening)


def _again(
    receipt_id: str,
    ledger: Ledger,
    kinds: Mapping[str, type[Any]],
    policies: Sequence[Policy],
    now: datetime,
    window: timedelta | None,
    listening: Collection[str] | None,
) -> Replayed:
    kept = ledger.kept_message(receipt_id)
    if kept.cut:
        raise ValueError(
            f"message {kept.message_id} of {kept.source} was longer than what is kept of it, so it cannot be read "
            f"again; send it anew"
        )
    arrival = read_arrival(
        Message(kept.message_id, kept.body, sent_at=kept.received_at),
        kinds=kinds,
        policies=policies,
        queue=_origin(kept.origin),
        source=kept.source,
        now=now,
    )
    regardless = tuple((event, tuple(replace(wanted, max_age=None) for wanted in by)) for event, by in arrival.events)
    received = ledger.receive(
        [replace(arrival, events=regardless)], now, window=window, listening=listening, again=True
    )
    return Replayed(
        receipt=received.receipts[0],
        woken=received.woken,
        refused=None if arrival.refused is None or arrival.control else Refused(kept.message_id, *arrival.refused),
    )


def _origin(stored: Mapping[str, Any] | None) -> Origin | None:
    if stored is None:
        return None
    return WebhookRef.model_validate(stored) if "sender" in stored else QueueRef.model_validate(stored)
