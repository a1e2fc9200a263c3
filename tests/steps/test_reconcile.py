"""Bringing records and targets together."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from setpoint.ledger import LedgerUnavailable
from setpoint.model import ChangeState, Event, Followed, HealthVerdict, Operation, Outcome, Reason
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import SourceError
from setpoint.steps.patience import TRIES, Patience
from setpoint.steps.reconcile import STRANDED_AFTER, reconcile
from setpoint.steps.reconciled import Reconciled, summary
from setpoint.steps.roll_back import ROLLBACK_ATTEMPTS, ROLLBACK_WITHIN
from setpoint.targets.contract import TargetError
from setpoint.testing.ledgers import begin_change
from setpoint.testing.values import NOW, a_decision, a_planned_change, a_policy

GRACE = timedelta(minutes=2)

REFRESH = Operation(kind="instance_refresh", detail="40 % done")


@pytest.fixture
def look(ledger: Any, target: Any, policy: Any, numbers: Any, store: Any, clock: Any) -> Any:
    """Reconciles once: ``look()``, with other arguments by name."""

    def go(**given: Any) -> Reconciled:
        arguments = {
            "policy": policy,
            "grace": GRACE,
            "run_id": "web/reconcile",
            "reader": lambda: target,
            "target": lambda: target,
            "sources": lambda: {"aws.cloudwatch": numbers},
            "store": store,
            "ledger": ledger,
            "clock": clock,
            "patience": Patience(pause=lambda seconds: None),
        }
        told = reconcile(**{**arguments, **given})
        recorded = ledger.findings(since=clock.now, limit=100)
        assert {one.text for one in told.findings} <= {one.text for one in recorded}, "every finding is kept"
        return told

    return go


def kinds(told: Reconciled) -> list[tuple[str, str | None]]:
    return [(one.kind, one.target) for one in told.findings]


@pytest.fixture
def judged(ledger: Any, clock: Any) -> Any:
    """Records that a change is to be taken back: ``judged(change)``."""

    def go(change: Any, followed: Followed = Followed.ROLL_BACK, minutes_ago: float = 50) -> Outcome:
        return ledger.record_outcome(
            Outcome(
                change_id=change.change_id,
                policy=change.plan.policy,
                run_id=change.plan.run_id,
                target=change.plan.target,
                verdict=HealthVerdict.DEGRADED,
                followed=followed,
                reasons=(Reason.of("health_degraded", "cpu went from 50 to 95"),),
                recorded_at=clock.now - timedelta(minutes=minutes_ago),
            )
        )

    return go


def test_all_as_it_should_be(look, target) -> None:
    """A fleet that nothing is wrong with has nothing to tell, and nothing is built that could change it."""

    def never() -> Any:
        raise AssertionError("built without need")

    told = look(target=never, sources=never)
    assert told == Reconciled("web")
    assert summary([told]) == "web: as it should be"


def test_a_lost_rollback_is_carried_out(look, done, judged, ledger, target, clock) -> None:
    """The run died between the outcome and the roll-back: it is carried out, once, and settled by the next look."""
    change = done()
    judged(change)
    told = look()
    (back,) = ledger.rollbacks_of(change.change_id)
    assert (back.state, target.desired["web-1"], len(target.effective_calls)) == (ChangeState.APPLIED, 4, 1)
    assert any("taken back" in line for line in told.finished)

    clock.pass_(minutes=5)
    look()
    clock.pass_(minutes=15)
    told = look()
    assert ledger.change(back.change_id).state is ChangeState.SETTLED
    assert [one.split(":")[0] for one in told.judged] == ["web-1"], "a roll-back is judged, by reconciliation"
    assert len(target.effective_calls) == 1


@pytest.mark.parametrize(
    ("minutes_ago", "carried_out"),
    [
        (GRACE / timedelta(minutes=1) - 0.1, False),
        (GRACE / timedelta(minutes=1), True),
        (ROLLBACK_WITHIN / timedelta(minutes=1), True),
        (ROLLBACK_WITHIN / timedelta(minutes=1) + 1, False),
    ],
)
def test_only_for_a_while_after_the_outcome(look, done, judged, target, minutes_ago, carried_out) -> None:
    """A young outcome is its own run's to act on; what has stood for a day is a person's."""
    judged(done(minutes_ago=minutes_ago + 10), minutes_ago=minutes_ago)
    look()
    assert (target.desired["web-1"] == 4) is carried_out


@pytest.mark.parametrize("desired", [4, 5, 9])
def test_a_target_that_was_moved_since_is_not_taken_back(look, done, judged, ledger, target, desired: int) -> None:
    """Only while the target still stands where the change left it; and nobody is troubled about it."""
    change = done()
    judged(change)
    target.desired["web-1"] = desired
    told = look()
    assert target.effective_calls == []
    assert ledger.rollbacks_of(change.change_id) == ()
    assert "rollback_due" not in [one.kind for one in told.findings]


def test_a_later_change_settles_it(look, done, judged, target) -> None:
    """What another change moved on is not taken back, also when the capacity is the same again."""
    judged(done())
    for before, after in ((6, 8), (8, 6)):
        judged(done(before=before, after=after, minutes_ago=40), Followed.KEEP, minutes_ago=30)
    look()
    assert target.effective_calls == []


def test_a_kept_change_stays(look, done, judged, target) -> None:
    """Harm that the policy keeps is not taken back by the back door."""
    judged(done(), Followed.KEEP)
    look()
    assert target.effective_calls == []


def test_a_refused_rollback_is_tried_again(look, done, judged, ledger, target, clock) -> None:
    """While an instance refresh runs it is told as due; when that has ended, it is carried out as a new change."""
    change = done()
    judged(change)
    refused = ledger.refuse_change(change.plan.reversed("harm"), Reason.of("operation_in_progress", "refresh"), NOW)
    target.operations = (REFRESH,)
    for _ in range(ROLLBACK_ATTEMPTS + 1):
        (found,) = look().findings
        assert (found.kind, found.target, found.expected_units) == ("rollback_due", "web-1", 4)
        assert "instance_refresh" in found.text
        clock.pass_(minutes=5)
    target.operations = ()
    look()
    first, second = ledger.rollbacks_of(change.change_id)
    assert (first, second.state, target.desired["web-1"]) == (refused, ChangeState.APPLIED, 4)


def test_rollbacks_that_always_fail_end(look, done, judged, ledger, target, clock) -> None:
    """A provider that says no for good is asked five times, each on record, and then a person is told."""

    def broken(_: Any) -> None:
        raise TargetError("access denied", code="AccessDenied", retryable=False)

    change = done()
    judged(change)
    target.at_call = [broken] * 20
    for _ in range(ROLLBACK_ATTEMPTS + 2):
        told = look()
        clock.pass_(minutes=5)
    attempts = ledger.rollbacks_of(change.change_id)
    assert [one.state for one in attempts] == [ChangeState.FAILED] * ROLLBACK_ATTEMPTS
    assert "see to it yourself" in told.findings[0].text
    assert target.desired["web-1"] == 6


def test_a_rollback_that_died_is_finished_and_tried_again(look, done, judged, ledger, target, clock) -> None:
    """A roll-back whose call never went through is failed by the record, and the next attempt takes effect."""
    change = done()
    judged(change)
    begin_change(ledger, change.plan.reversed("harm"), clock.now - timedelta(minutes=30))
    told = look()
    first, second = ledger.rollbacks_of(change.change_id)
    assert (first.state, first.reason.code) == (ChangeState.FAILED, "never_applied")
    assert (second.state, len(target.effective_calls)) == (ChangeState.APPLIED, 1)
    assert ("unfinished_change", "web-1") in kinds(told)


@pytest.mark.parametrize(
    ("desired", "state", "code"),
    [
        (6, ChangeState.SETTLED, "in_service"),
        (4, ChangeState.FAILED, "never_applied"),
        (None, ChangeState.FAILED, "target_missing"),
    ],
)
def test_an_unfinished_change_is_finished_by_what_the_target_says(
    look, ledger, target, clock, desired, state, code
) -> None:
    """The call went through, or it did not and is not repeated; either way nothing is called."""
    change = a_planned_change()
    begin_change(ledger, change, clock.now - timedelta(minutes=3))
    if desired is None:
        del target.desired["web-1"]
    else:
        target.desired["web-1"] = desired
    told = look()
    after = ledger.change(change.change_id)
    assert (after.state, after.reason.code) == (state, code)
    assert ("unfinished_change", "web-1") in kinds(told)
    assert target.effective_calls == []


def test_a_young_change_is_left_to_its_run(look, ledger, clock) -> None:
    """Within the grace its own run may still be at work."""
    change = a_planned_change()
    begin_change(ledger, change, clock.now - GRACE + timedelta(seconds=1))
    look()
    assert ledger.change(change.change_id).state is ChangeState.APPLYING


def test_a_missing_outcome_is_recorded_and_acted_on(look, done, ledger, numbers, target) -> None:
    """A change nobody judged is judged by the metrics of its time, and taken back when it did harm."""
    change = done()
    numbers.value = lambda at: 50.0 if at < change.applied_at else 95.0
    told = look()
    outcome = ledger.outcome_of(change.change_id)
    assert (outcome.verdict, outcome.followed) == (HealthVerdict.DEGRADED, Followed.ROLL_BACK)
    assert ("missing_outcome", "web-1") in kinds(told)
    assert target.desired["web-1"] == 4


def test_a_silent_source_is_a_problem_and_inconclusive(look, done, ledger, numbers, target) -> None:
    """Without numbers nothing is taken back; the outcome says why, and so does the problem."""
    change = done()
    numbers.error = SourceError("CloudWatch does not answer", retryable=True)
    told = look()
    assert ledger.outcome_of(change.change_id).verdict is HealthVerdict.INCONCLUSIVE
    assert "CloudWatch does not answer" in told.problems[0]
    assert target.effective_calls == []


def test_a_target_that_is_gone_blocks_nothing(look, done, ledger, target, clock) -> None:
    """Its change gets an inconclusive outcome with the reason; stranded events and drift of the others are seen."""
    change = done()
    del target.desired["web-1"]
    target.desired["web-2"] = 1
    strand(ledger, "web/dead", clock)
    told = look()

    outcome = ledger.outcome_of(change.change_id)
    assert (outcome.verdict, outcome.reasons[0].code) == (HealthVerdict.INCONCLUSIVE, "target_missing")
    assert set(kinds(told)) == {
        ("missing_outcome", "web-1"),
        ("stranded_events", None),
        ("missing", "web-1"),
        ("out_of_bounds", "web-2"),
    }
    assert told.problems == []
    assert look().problems == []
    assert ledger.outcome_of(change.change_id) == outcome


def test_one_step_that_fails_keeps_no_other_from_running(look, done, ledger, target, clock) -> None:
    """Targets that cannot be read are a problem of each step that reads them; the events are seen to all the same."""
    change = done()
    strand(ledger, "web/dead", clock)
    target.unreadable = TargetError("throttled", code="Throttling", retryable=True)
    told = look()
    assert kinds(told) == [("stranded_events", None)]
    assert len(told.problems) == 2
    assert all("throttled" in one for one in told.problems)
    assert ledger.outcome_of(change.change_id) is None, "the metrics of that time can still be read"

    target.unreadable = None
    look()
    assert ledger.outcome_of(change.change_id).verdict is HealthVerdict.HEALTHY


def test_a_reader_that_cannot_be_built_is_a_problem(look, ledger, clock) -> None:
    """A broken connection does not keep the events of dead runs."""
    strand(ledger, "web/dead", clock)

    def broken() -> Any:
        raise TargetError("the Airflow connection does not exist", code="connection", retryable=False)

    told = look(reader=broken)
    assert kinds(told) == [("stranded_events", None)]
    assert "connection does not exist" in told.problems[0]


def test_a_record_that_cannot_be_read_blocks_nothing(look, done, ledger, target, clock, tmp_path) -> None:
    """One change that was altered outside is a problem; events and drift are seen to all the same."""
    done(settled=False)
    strand(ledger, "web/dead", clock)
    target.desired["web-2"] = 1
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("UPDATE setpoint_changes SET reason = '{}'")
    told = look()
    assert set(kinds(told)) >= {("stranded_events", None), ("out_of_bounds", "web-2")}
    assert told.problems


def test_batches_that_cannot_be_kept_leave_the_change_unjudged(look, done, ledger, target, tmp_path) -> None:
    """Without a place for the evidence there is no verdict yet; the rest is reconciled."""
    change = done()
    target.desired["web-2"] = 1
    (tmp_path / "file").write_text("in the way")
    told = look(store=BatchStore(tmp_path / "file"))
    assert ledger.outcome_of(change.change_id) is None
    assert kinds(told) == [("out_of_bounds", "web-2")]
    assert "could not be judged" in told.problems[0]


def test_without_the_ledger_there_is_nothing_to_go_on(look, target) -> None:
    """A ledger that is away ends the reconciliation: nothing may be done that cannot be recorded."""

    def gone() -> Any:
        raise LedgerUnavailable("the database does not answer")

    with pytest.raises(LedgerUnavailable):
        look(reader=gone)


def strand(ledger: Any, run_id: str, clock: Any) -> None:
    at = clock.now - STRANDED_AFTER - timedelta(minutes=1)
    event = Event(event_id="e1", kind="json", source="a test", occurred_at=at, received_at=at)
    ledger.accept_events([(event, ("web",))])
    ledger.take_events("web", run_id, at)


def test_events_of_a_run_that_died_undecided_wait_again(look, ledger, clock) -> None:
    """The next run takes them."""
    strand(ledger, "web/dead", clock)
    assert kinds(look()) == [("stranded_events", None)]
    assert [one.event_id for one in ledger.take_events("web", "web/next", clock.now)] == ["e1"]


def test_events_of_a_run_that_decided_are_closed_in_the_end(look, ledger, clock) -> None:
    """A run that decided may take its whole time; then its events are closed as failed."""
    strand(ledger, "web/dead", clock)
    ledger.record_decisions("web/dead", [a_decision(run_id="web/dead")])
    assert kinds(look()) == []
    clock.pass_(hours=2)
    assert kinds(look()) == [("stranded_events", None)]
    assert [one.state for one in ledger.events_of("web/dead")] == ["failed"]


def test_changed_by_hand_is_left_alone(look, done, judged, target) -> None:
    """A person inside the bounds is not fought; with repair no more than with report."""
    judged(done(), Followed.KEEP)
    target.desired["web-1"] = 7
    for policy in (a_policy(), a_policy(reconcile="repair")):
        (found,) = look(policy=policy).findings
        assert (found.kind, found.expected_units, found.actual_units) == ("changed_by_hand", 6, 7)
        assert not found.repaired
    assert (target.desired["web-1"], target.effective_calls) == (7, [])


def test_missing_capacity_is_reported(look, target) -> None:
    """What is wanted, not there and not on its way is told; what is on its way is not."""
    target.in_service["web-1"] = 3
    (found,) = look().findings
    assert (found.kind, found.expected_units, found.actual_units) == ("not_in_service", 4, 3)
    target.pending["web-1"] = 1
    assert look().findings == []


@pytest.mark.parametrize(("desired", "nearest"), [(1, 2), (12, 10)])
@pytest.mark.parametrize("mode", ["report", "repair", "dry"])
def test_out_of_bounds(look, ledger, target, desired: int, nearest: int, mode: str) -> None:
    """Reported; with ``repair`` brought back by a change of its own; a dry policy repairs dry, with nothing built."""
    target.desired["web-1"] = desired
    given = {"policy": a_policy(reconcile="report" if mode == "report" else "repair", dry_run=mode == "dry")}
    if mode != "repair":
        given["target"] = None
    (found,) = look(**given).findings
    assert (found.kind, found.expected_units, found.actual_units) == ("out_of_bounds", nearest, desired)
    assert found.repaired is (mode == "repair")
    assert target.desired["web-1"] == (nearest if mode == "repair" else desired)
    changes = ledger.changes_of("web/reconcile")
    assert [(one.state, one.plan.to_units) for one in changes] == (
        [(ChangeState.APPLIED, nearest)] if mode == "repair" else []
    )


def test_a_repair_waits_for_an_instance_refresh(look, target) -> None:
    """The same guards as for any change: what holds it is told, and nothing is called."""
    target.desired["web-1"] = 12
    target.operations = (REFRESH,)
    (found,) = look(policy=a_policy(reconcile="repair")).findings
    assert "not repaired now" in found.text
    assert (found.repaired, target.effective_calls) == (False, [])


def test_one_repair_that_fails_keeps_no_other_from_it(look, target) -> None:
    """A target whose repair is throttled is a problem; the next one is repaired all the same."""

    def throttled(_: Any) -> None:
        raise TargetError("throttled", code="Throttling", retryable=True)

    target.desired.update({"web-1": 12, "web-2": 12})
    target.at_call += [throttled] * TRIES
    told = look(policy=a_policy(reconcile="repair"))
    assert "web-1 could not be repaired" in told.problems[0]
    assert (target.desired["web-1"], target.desired["web-2"]) == (12, 10)


def test_other_policies_changes_are_theirs(look, ledger, clock) -> None:
    """Only this policy's changes are touched."""
    other = a_planned_change("api-1", change_id="theirs", policy="api", run_id="api/1")
    begin_change(ledger, other, clock.now - timedelta(hours=1))
    assert look() == Reconciled("web")
    assert ledger.change("theirs").state is ChangeState.APPLYING


def test_a_renamed_policy_finishes_what_its_former_self_began(look, ledger, clock) -> None:
    """The policy that began a change may be gone; its target must not stay blocked for that."""
    change = a_planned_change(policy="former")
    begin_change(ledger, change, clock.now - GRACE - timedelta(seconds=1))
    look()
    assert ledger.change(change.change_id).state is ChangeState.FAILED


def test_a_repair_needs_no_metrics(look, numbers, target) -> None:
    """A target outside the bounds is brought back while no metric can be read: the capacity is all it rests on."""
    target.desired["web-1"] = 12
    numbers.error = SourceError("CloudWatch does not answer", retryable=True)
    (found,) = look(policy=a_policy(reconcile="repair")).findings

    assert (found.kind, found.repaired, target.desired["web-1"]) == ("out_of_bounds", True, 10)


def test_a_rollback_that_is_due_needs_no_metrics(look, done, judged, numbers, target) -> None:
    """Harm that was judged is taken back, also when nothing can be measured any more."""
    judged(done())
    numbers.error = SourceError("CloudWatch does not answer", retryable=True)
    look()

    assert target.desired["web-1"] == 4


def test_failing_data_is_no_evidence_of_harm(look, done, ledger, numbers, target) -> None:
    """Zeros after a change are an outage, not bad health: inconclusive, and the change is kept."""
    change = done()
    numbers.value = lambda at: 50.0 if at < change.applied_at else 0.0
    look()

    assert ledger.outcome_of(change.change_id).verdict is HealthVerdict.INCONCLUSIVE
    assert target.effective_calls == []
