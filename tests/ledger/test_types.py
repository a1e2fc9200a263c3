"""Column types: exact text, ordered instants, JSON without holes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import StatementError

from setpoint.ledger import CorruptRecord, Ledger
from setpoint.ledger.store import restore_text
from setpoint.ledger.types import UtcTime, escape, json_text, plain, unescape
from setpoint.model import Signal
from setpoint.model.base import Value
from setpoint.testing.values import NOW

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text("\\\0ud80f{}'\ud800")
SQLITE, POSTGRES = SQLiteDialect(), PGDialect()


@given(ANY_TEXT)
def test_escape_and_back(text: str) -> None:
    """Any text survives, and on the way it is what any database can hold."""
    kept = escape(text)
    assert "\0" not in kept
    kept.encode()
    assert unescape(kept) == text


@given(ANY_TEXT, ANY_TEXT)
def test_escape_is_unique(one: str, other: str) -> None:
    """Two different texts are never kept as the same one, or two events could become one."""
    assert (escape(one) == escape(other)) == (one == other)


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_order_of_text_is_order_of_time(one: datetime, other: datetime) -> None:
    """On SQLite the text of instants sorts as the instants do, and reads back equal."""
    try:
        one.astimezone(UTC), other.astimezone(UTC)
    except OverflowError:
        return
    kind = UtcTime()
    first, second = kind.process_bind_param(one, SQLITE), kind.process_bind_param(other, SQLITE)
    if one.year >= 1000 and other.year >= 1000:
        assert (first < second) == (one.astimezone(UTC) < other.astimezone(UTC))
        # In UTC: Python finds a local time that a clock change repeats equal to none of another zone.
        assert kind.process_result_value(first, SQLITE) == one.astimezone(UTC)


def test_naive_times_are_refused(ledger: Ledger) -> None:
    """A time without a zone is no instant; guessing one would move cooldowns by hours."""
    with pytest.raises(StatementError, match="has no time zone"):
        ledger.pending_policies(older_than=NOW.replace(tzinfo=None))


def test_times_come_back_in_utc(ledger: Ledger) -> None:
    """Whatever zone an instant was written in, it is read in UTC, to the microsecond."""
    moment = datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=-7)))
    ledger.reject_message("m-1", "queue", "not_json", "it is not JSON", "", moment)
    (kept,) = ledger.rejects()
    assert kept.received_at == moment
    assert kept.received_at.tzinfo == UTC


def test_plain() -> None:
    """Numbers JSON does not have become the words pydantic reads back as numbers, at any depth."""
    assert plain({"a": [float("nan"), (float("inf"), -float("inf"))], "b": 1.5}) == {
        "a": ["NaN", ["Infinity", "-Infinity"]],
        "b": 1.5,
    }


def test_what_is_written_is_what_plain_data_would_give() -> None:
    """A value goes to the database straight from its model, and reads the same as through plain data."""
    signal = Signal(
        target="naïve \0",
        metric="m",
        aggregate="p90",
        value=float("nan"),
        points=(float("inf"), None, 1.5),
        samples=2,
        coverage=0.5,
        age_seconds=None,
    )
    assert json.loads(json_text(signal)) == plain(signal)
    assert json_text(signal).isascii()


def test_half_a_surrogate_pair_survives() -> None:
    """Text that pydantic's JSON writer and reader refuse is kept, and read back as it was."""

    class Quoted(Value):
        said: str

    quoted = Quoted(said="half \ud800 a pair")
    assert json.loads(json_text(quoted)) == {"said": "half \ud800 a pair"}
    assert restore_text(Quoted, json_text(quoted), "a test") == quoted


def test_a_record_that_is_no_json_is_corrupt() -> None:
    """What somebody wrote over a record is called what it is."""
    with pytest.raises(CorruptRecord, match="a test"):
        restore_text(Signal, '{"target": 1}', "a test")
