"""Why a message is refused: every code an intake may record, and what it means."""

from __future__ import annotations

REJECTS: dict[str, str] = {
    "too_large": "The body is larger than the 256 KiB that SQS carries.",
    "not_json": "The body is not one JSON object, or an object in it gives one key twice.",
    "too_deep": "The JSON is nested deeper than any known event.",
    "bad_text": "A text holds a character that cannot be stored: NUL, or half of a surrogate pair.",
    "sns_control": "A subscription message of SNS itself, not an event.",
    "control_message": "A message with which the sender tries out the way, or one without an event: nothing to do. "
    "It is counted as control, and is not among the rejects.",
    "unknown_kind": "No registered event kind recognises the message.",
    "invalid": "The kind is known, but fields are missing or wrong; all of them are listed.",
    "unknown_policy": "The message names a policy that does not exist.",
    "unknown_target": "The message names a target that none of the policies that want it has.",
    "in_future": "The message gives a time more than five minutes ahead: a clock is wrong.",
    "not_stored": "The ledger could not take the message in, again and again, though it takes others.",
    "kind_failed": "The event kind's own code raised an unexpected error.",
}
"""Code to meaning. Each code stands in the ledger's rejects beside the message it was given for."""
