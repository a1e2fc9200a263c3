"""Incidents: opened once, closed on recovery."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from setpoint.ledger import Ledger
from setpoint.testing.values import NOW


def minutes(number: int):
    """The end of a window, so many minutes after the first one."""
    return NOW - timedelta(hours=2) + timedelta(minutes=number)


def test_a_broken_source_is_one_incident(ledger: Ledger) -> None:
    """However many batches show it, it is one incident, with the newest words and the count."""
    opened = ledger.note_source("web", "run-1", minutes(1), "cpu: 5 of 6 targets fail")
    again = ledger.note_source("web", "run-2", minutes(2), "cpu: 6 of 6 targets fail")

    assert opened is not None
    assert again is not None
    assert (again.incident_id, again.batches, again.opened_by, again.last_run) == (
        opened.incident_id, 2, "run-1", "run-2",
    )  # fmt: skip
    assert again.text == "cpu: 6 of 6 targets fail"
    assert ledger.incidents("web") == [again]


def test_recovery_closes_it(ledger: Ledger) -> None:
    """The first batch that shows the source mended closes the incident, and a retry of it says so again."""
    opened = ledger.note_source("web", "run-1", minutes(1), "broken")
    closed = ledger.note_source("web", "run-2", minutes(2), None)

    assert opened is not None
    assert closed is not None
    assert (closed.incident_id, closed.is_open, closed.closed_by) == (opened.incident_id, False, "run-2")
    assert ledger.note_source("web", "run-2", minutes(2), None) == closed
    assert ledger.note_source("web", "run-3", minutes(3), None) is None
    assert ledger.incidents("web", open_only=True) == []


def test_the_next_trouble_is_another_incident(ledger: Ledger) -> None:
    """After recovery the next outage is opened anew, newest first in the list."""
    for minute, broken in enumerate(("one", None, "two")):
        ledger.note_source("web", f"run-{minute}", minutes(minute), broken)

    assert sorted((one.text, one.is_open) for one in ledger.incidents("web")) == [("one", False), ("two", True)]
    assert [one.text for one in ledger.incidents("web", open_only=True)] == ["two"]


def test_a_retry_and_an_older_batch_add_nothing(ledger: Ledger) -> None:
    """The same window counts once, and a batch over an older one neither counts nor closes."""
    ledger.note_source("web", "run-1", minutes(2), "broken")
    ledger.note_source("web", "run-1", minutes(2), "broken")
    ledger.note_source("web", "run-0", minutes(1), "broken")
    ledger.note_source("web", "run-0", minutes(1), None)

    (incident,) = ledger.incidents("web")
    assert (incident.batches, incident.is_open) == (1, True)


def test_runs_at_once_open_one(ledger: Ledger) -> None:
    """Several runs that see the trouble at the same moment open one incident."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ledger.note_source("web", f"run-{number}", minutes(number), "broken"), range(4)))

    assert len(ledger.incidents("web")) == 1


def test_policies_have_their_own(ledger: Ledger) -> None:
    """An incident is one policy's; recovery of another leaves it open."""
    ledger.note_source("web", "run-1", minutes(1), "broken")
    ledger.note_source("api", "run-2", minutes(1), None)

    assert [one.policy for one in ledger.incidents(open_only=True)] == ["web"]
    assert ledger.incidents("api") == []


def test_hostile_words_stay_words(ledger: Ledger) -> None:
    """What a source says is text from outside."""
    text = "{{ 7*7 }} <b> '; drop table x; -- \x00"
    ledger.note_source("web", "run-1", minutes(1), text)

    assert ledger.incidents("web")[0].text == text
