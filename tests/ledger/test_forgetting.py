"""What is remembered of series and targets that are gone does not stay for ever."""

from __future__ import annotations

from datetime import timedelta

from setpoint.ledger import Ledger
from setpoint.model import SeriesHistory
from setpoint.testing.values import NOW

LONG_AGO = NOW - timedelta(days=100)
BEFORE = NOW - timedelta(days=90)


def history(target: str, accepted_at=NOW) -> SeriesHistory:
    """A series last accepted then."""
    return SeriesHistory(
        target=target,
        metric="cpu",
        batch_id="batch-1",
        accepted_at=accepted_at,
        batches=1,
        points=10,
        zeros=0,
        median=50,
        spread=2,
        lowest=45,
        highest=55,
        longest_run=1,
    )


def remember(ledger: Ledger, gone: int) -> None:
    """Two targets that are there, and some that have not been heard of for a hundred days."""
    names = [f"gone-{number}" for number in range(gone)]
    ledger.keep_series_history("web", [history("here"), *(history(name, LONG_AGO) for name in names)])
    ledger.count_batch("web", dict.fromkeys(names, True), LONG_AGO)
    ledger.count_batch("web", {"here": True, "failing": True}, NOW)


def test_targets_that_are_gone_are_forgotten_and_no_others(ledger: Ledger) -> None:
    """Histories and streaks of what no batch spoke of for so long go; doing it again changes nothing."""
    remember(ledger, 3)

    assert ledger.count_memories(BEFORE) == 6
    assert ledger.forget_memories(BEFORE, 100) == 6
    assert [one.target for one in ledger.series_history("web")] == ["here"]
    assert set(ledger.streaks("web")) == {"here", "failing"}
    assert (ledger.count_memories(BEFORE), ledger.forget_memories(BEFORE, 100)) == (0, 0)


def test_one_call_deletes_a_bounded_number(ledger: Ledger) -> None:
    """The next one goes on; more than one transaction holds is deleted in several."""
    remember(ledger, 1_200)

    assert ledger.forget_memories(BEFORE, 1_100) == 1_100
    assert ledger.count_memories(BEFORE) == 1_300
    assert ledger.forget_memories(BEFORE, 10_000) == 1_300
    assert [one.target for one in ledger.series_history("web")] == ["here"]


def test_a_target_that_came_back_is_kept(ledger: Ledger) -> None:
    """What was accepted again counts from then on."""
    remember(ledger, 1)
    ledger.keep_series_history("web", [history("gone-0", NOW)])

    ledger.forget_memories(BEFORE, 100)

    assert {one.target for one in ledger.series_history("web")} == {"here", "gone-0"}
