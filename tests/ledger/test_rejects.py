"""Messages that became no event."""

from __future__ import annotations

from datetime import timedelta

from setpoint.ledger import Ledger
from setpoint.ledger.rejects import MAX_BODY
from setpoint.testing.values import NOW


def test_reject_once(ledger: Ledger) -> None:
    """A message that is refused again changes nothing; the same id from another source is another message."""
    ledger.reject_message("m-1", "queue-a", "not_json", "it is not JSON", "<xml>", NOW)
    ledger.reject_message("m-1", "queue-a", "unknown_kind", "again", "{}", NOW + timedelta(seconds=1))
    ledger.reject_message("m-1", "queue-b", "unknown_kind", "nobody knows this", "{}", NOW + timedelta(seconds=2))
    newest, oldest = ledger.rejects(10)
    assert (newest.source, newest.code) == ("queue-b", "unknown_kind")
    assert (oldest.message_id, oldest.source, oldest.code, oldest.text, oldest.body, oldest.received_at) == (
        "m-1",
        "queue-a",
        "not_json",
        "it is not JSON",
        "<xml>",
        NOW,
    )


def test_newest_first_up_to_a_limit(ledger: Ledger) -> None:
    """The newest refusals are told first."""
    for n in range(5):
        ledger.reject_message(f"m-{n}", "queue", "not_json", "it is not JSON", "", NOW + timedelta(seconds=n))
    assert [one.message_id for one in ledger.rejects(2)] == ["m-4", "m-3"]


def test_any_text(ledger: Ledger) -> None:
    """Whatever a message holds, its refusal is recorded: NUL, lone surrogates, very long names."""
    nasty = "\0\ud800\\0'\"; --" + "x" * 10_000
    ledger.reject_message(nasty, nasty, "not_json", nasty, nasty, NOW)
    ledger.reject_message(nasty, nasty, "not_json", nasty, nasty, NOW)
    (kept,) = ledger.rejects(10)
    assert (kept.message_id, kept.source, kept.text) == (nasty, nasty, nasty)
    assert kept.body == nasty[:MAX_BODY]
