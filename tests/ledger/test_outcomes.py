"""Outcomes: one a change, the first one stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from setpoint.ledger import Ledger, NotRecorded
from setpoint.model import ApplyResult, ChangeState, Followed, HealthVerdict, Outcome, Reason
from setpoint.testing.values import NOW, a_planned_change

MakeResult = Callable[[ChangeState], ApplyResult]


def an_outcome(change_id: str = "one", verdict: HealthVerdict = HealthVerdict.HEALTHY) -> Outcome:
    return Outcome(
        change_id=change_id,
        policy="web",
        run_id="run-1",
        target="web-1",
        verdict=verdict,
        followed=Followed.KEEP,
        reasons=(Reason(code="within_limits", text="latency 120 ms of 250 ms allowed"),),
        recorded_at=NOW,
    )


def applied(ledger: Ledger, result: MakeResult, change_id: str, target: str, minutes_ago: int) -> None:
    at = NOW - timedelta(minutes=minutes_ago)
    ledger.begin_change(a_planned_change(target, change_id=change_id), at)
    ledger.finish_change(change_id, result(ChangeState.APPLIED), at)


def test_first_outcome_stays(ledger: Ledger, result: MakeResult) -> None:
    """A second verdict does not rewrite the first: it returns the one that was acted on."""
    applied(ledger, result, "one", "web-1", 10)
    assert ledger.outcome_of("one") is None
    first = ledger.record_outcome(an_outcome())
    assert ledger.record_outcome(an_outcome(verdict=HealthVerdict.DEGRADED)) == first == an_outcome()
    assert ledger.outcome_of("one") == first


def test_outcome_of_nothing(ledger: Ledger) -> None:
    """A change the ledger never heard of cannot be judged."""
    with pytest.raises(NotRecorded, match="no change nope"):
        ledger.record_outcome(an_outcome("nope"))


def test_changes_without_outcome(ledger: Ledger, result: MakeResult) -> None:
    """Reconciliation finds the changes that took effect and were never judged, oldest first."""
    applied(ledger, result, "judged", "t1", 10)
    ledger.record_outcome(an_outcome("judged"))
    applied(ledger, result, "unjudged", "t2", 20)
    ledger.settle_change("unjudged", Reason(code="in_service", text="in service"), NOW)
    applied(ledger, result, "still applied", "t3", 15)
    applied(ledger, result, "young", "t4", 1)
    for end in (ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED):
        ledger.begin_change(a_planned_change(end.value, change_id=end.value), NOW - timedelta(minutes=10))
        ledger.finish_change(end.value, result(end), NOW - timedelta(minutes=10))
    ledger.begin_change(a_planned_change("t5", change_id="applying"), NOW - timedelta(minutes=10))
    found = ledger.changes_without_outcome(NOW - timedelta(minutes=5))
    assert [one.change_id for one in found] == ["unjudged", "still applied"]
