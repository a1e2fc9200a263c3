"""What is kept of an event. While it is routed its payload holds everything; what the ledger holds stays small."""

from __future__ import annotations

import json

from setpoint.model import Event

KEPT_CHARACTERS = 4096
"""Characters of JSON one entry of a payload may have in the ledger."""


def _surely_small(value: object) -> bool:
    """Small without writing it down: a character is at most twelve of JSON, two escapes of six."""
    if isinstance(value, str):
        return 12 * len(value) + 2 <= KEPT_CHARACTERS
    return value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**64)


def kept(event: Event) -> Event:
    """The event with each large entry of its payload left out; ``<entry>_left_out_characters`` says how large it was.

    A kind's ``wanted`` sees the whole payload, and so ``where`` does; runs, people and the ledger see what is kept.
    """
    if all(_surely_small(value) for value in event.payload.values()):
        return event
    sizes = {key: len(json.dumps(value)) for key, value in event.payload.items()}
    if all(size <= KEPT_CHARACTERS for size in sizes.values()):
        return event
    payload = {
        (key if sizes[key] <= KEPT_CHARACTERS else f"{key}_left_out_characters"): (
            value if sizes[key] <= KEPT_CHARACTERS else sizes[key]
        )
        for key, value in event.payload.items()
    }
    return event.model_copy(update={"payload": payload})
