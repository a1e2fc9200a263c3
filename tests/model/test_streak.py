"""Failed batches in a row."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from setpoint.model.streak import Incident, Streak, count_batch
from setpoint.testing.values import NOW


def after(*batches: tuple[int, bool], before: Streak | None = None) -> Streak:
    """The streak after batches, each given by the minute its window ends in (before now) and whether it failed."""
    for minute, failed in batches:
        window_end = NOW - timedelta(hours=3) + timedelta(minutes=minute)
        before = count_batch(before, "web-1", failed=failed, window_end=window_end, now=NOW)
    assert before is not None
    return before


@pytest.mark.parametrize(
    ("name", "batches", "failures", "ended"),
    [
        ("one failure", [(1, True)], 1, 0),
        ("three in a row", [(1, True), (2, True), (3, True)], 3, 0),
        ("recovery ends them", [(1, True), (2, True), (3, False)], 0, 2),
        ("the batch after that ends nothing", [(1, True), (2, False), (3, False)], 0, 0),
        ("a new row begins at one", [(1, True), (2, True), (3, False), (4, True)], 1, 0),
        ("the same window twice is one", [(1, True), (1, True)], 1, 0),
        ("the same window again, now well", [(1, True), (1, False)], 0, 1),
        ("the same window again, now bad", [(1, False), (1, True)], 0, 0),
        ("an older window adds none", [(2, True), (1, True)], 1, 0),
        ("an older window ends none", [(2, True), (1, False)], 1, 0),
        ("a retry of the recovery says the same", [(1, True), (2, False), (2, False)], 0, 1),
    ],
)
def test_counting(name, batches, failures, ended):
    """A failed batch adds one, a newer one that did not fail ends the row, and what is older changes nothing."""
    found = after(*batches)

    assert (found.failures, found.ended) == (failures, ended), name


def test_the_row_knows_when_it_began():
    """``since`` stays that of the first failure in the row."""
    first = count_batch(None, "web-1", failed=True, window_end=NOW - timedelta(hours=2), now=NOW - timedelta(hours=1))

    assert after((120, True), before=first).since == NOW - timedelta(hours=1)


def test_a_count_from_the_future_binds_nobody():
    """A window end that a wrong clock wrote does not stop the counting once the clock is right."""
    wrong = Streak(target="web-1", failures=9, since=NOW, window_end=NOW + timedelta(days=400))

    assert after((1, True), before=wrong).failures == 1
    assert after((1, False), before=wrong).failures == 0


@given(st.lists(st.booleans(), max_size=30))
def test_the_count_is_the_length_of_the_last_row(verdicts):
    """Over windows that follow each other, the count is the number of failures since the last batch that did not."""
    found = after((0, False), *((number + 1, failed) for number, failed in enumerate(verdicts)))

    trailing = next((at for at, failed in enumerate(reversed(verdicts)) if not failed), len(verdicts))
    assert found.failures == trailing


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30))
def test_windows_count_once_in_whatever_order(batches):
    """However often and in whatever order batches come, there are no more failures than failed windows."""
    found = after(*batches)

    assert found.failures <= len({minute for minute, failed in batches if failed})


def test_what_cannot_be_is_refused():
    """A row of failures has a beginning, and a batch that failed ends nothing."""
    with pytest.raises(ValidationError, match="both or neither"):
        Streak(target="web-1", failures=1, window_end=NOW)
    with pytest.raises(ValidationError, match="ends no row"):
        Streak(target="web-1", failures=1, since=NOW, ended=2, window_end=NOW)


def test_an_incident_reads_as_a_sentence():
    """Its state, since when, how many batches, and what is wrong."""
    incident = Incident(
        incident_id="0123456789abcdef", policy="web", kind="source_broken", text="cpu: 5 of 6 targets fail",
        opened_at=NOW, opened_by="run-1", batches=2, last_at=NOW, last_run="run-2", window_end=NOW,
    )  # fmt: skip

    assert str(incident) == "incident 01234567, open, since 2026-03-01 12:00:00, 2 batches: cpu: 5 of 6 targets fail"
    assert "closed at" in str(incident.model_copy(update={"closed_at": NOW}))
