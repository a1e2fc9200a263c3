"""Outcomes: one a change, the first one stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from setpoint.ledger import Ledger, NotRecorded
from setpoint.model import ApplyResult, ChangeState, Followed, HealthVerdict, Outcome, Reason
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change

MakeResult = Callable[[ChangeState], ApplyResult]


def an_outcome(
    change_id: str = "one",
    verdict: HealthVerdict = HealthVerdict.HEALTHY,
    followed: Followed = Followed.KEEP,
    recorded_at: datetime = NOW,
) -> Outcome:
    return Outcome(
        change_id=change_id,
        policy="web",
        run_id="run-1",
        target="web-1",
        verdict=verdict,
        followed=followed,
        reasons=(Reason(code="within_limits", text="latency 120 ms of 250 ms allowed"),),
        recorded_at=recorded_at,
    )


def applied(ledger: Ledger, result: MakeResult, change_id: str, target: str, minutes_ago: int) -> None:
    at = NOW - timedelta(minutes=minutes_ago)
    begin_change(ledger, a_planned_change(target, change_id=change_id), at)
    finish_change(ledger, change_id, result(ChangeState.APPLIED), at)


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
        begin_change(ledger, a_planned_change(end.value, change_id=end.value), NOW - timedelta(minutes=10))
        finish_change(ledger, end.value, result(end), NOW - timedelta(minutes=10))
    begin_change(ledger, a_planned_change("t5", change_id="applying"), NOW - timedelta(minutes=10))
    found = ledger.changes_without_outcome(NOW - timedelta(minutes=5))
    assert [one.change_id for one in found] == ["unjudged", "still applied"]


def harmful(ledger: Ledger, result: MakeResult, change_id: str, target: str, judged_minutes_ago: int = 5) -> None:
    applied(ledger, result, change_id, target, 30)
    ledger.settle_change(change_id, Reason(code="in_service", text="in service"), NOW)
    at = NOW - timedelta(minutes=judged_minutes_ago)
    ledger.record_outcome(an_outcome(change_id, HealthVerdict.DEGRADED, Followed.ROLL_BACK, at))


def due(ledger: Ledger) -> list[str]:
    return [one.change_id for one in ledger.rollbacks_due(NOW - timedelta(hours=1), NOW - timedelta(minutes=5))]


def test_rollbacks_due(ledger: Ledger, result: MakeResult) -> None:
    """Due is what an outcome of the time asked for says, and nothing else; the bounds of that time count."""
    harmful(ledger, result, "on time", "t1", judged_minutes_ago=5)
    harmful(ledger, result, "an hour old", "t2", judged_minutes_ago=60)
    harmful(ledger, result, "too old", "t3", judged_minutes_ago=61)
    harmful(ledger, result, "too young", "t4", judged_minutes_ago=4)
    applied(ledger, result, "kept", "t5", 30)
    ledger.record_outcome(an_outcome("kept", HealthVerdict.DEGRADED, recorded_at=NOW - timedelta(minutes=10)))
    applied(ledger, result, "unjudged", "t6", 30)
    assert due(ledger) == ["on time", "an hour old"]


@pytest.mark.parametrize("state", [one for one in ChangeState if one is not ChangeState.SETTLED])
def test_a_rollback_that_came_to_nothing_is_still_due(ledger: Ledger, result: MakeResult, state: ChangeState) -> None:
    """Refused and failed took nothing back; a roll-back under way, or one that found nothing to do, is enough."""
    harmful(ledger, result, "one", "web-1")
    begin_change(ledger, a_planned_change("web-1", 6, 4, change_id="back", reverts="one"), NOW)
    if state is not ChangeState.APPLYING:
        finish_change(ledger, "back", result(state), NOW)
    assert due(ledger) == (["one"] if state in (ChangeState.REFUSED, ChangeState.FAILED) else [])
    assert [one.state for one in ledger.rollbacks_of("one")] == [state]


def test_a_change_that_was_moved_on_is_not_taken_back(ledger: Ledger, result: MakeResult) -> None:
    """A later effective change of the target settles it; one of another target, or one that was refused, does not."""
    harmful(ledger, result, "one", "web-1")
    applied(ledger, result, "elsewhere", "web-2", 3)
    ledger.refuse_change(a_planned_change("web-1", change_id="refused"), Reason(code="dry_run", text="dry"), NOW)
    assert due(ledger) == ["one"]
    applied(ledger, result, "later", "web-1", 3)
    assert due(ledger) == []


def test_every_attempt_to_take_back_is_kept(ledger: Ledger, result: MakeResult) -> None:
    """The attempts are told in their order; another change's are not among them."""
    harmful(ledger, result, "one", "web-1")
    for name, reverts in (("first", "one"), ("other", "another"), ("second", "one")):
        planned = a_planned_change("web-1", 6, 4, change_id=name, reverts=reverts)
        ledger.refuse_change(planned, Reason(code="operation_in_progress", text="a refresh"), NOW)
    assert [one.change_id for one in ledger.rollbacks_of("one")] == ["first", "second"]
    assert ledger.rollbacks_of("nothing") == ()
