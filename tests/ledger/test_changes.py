"""The state machine of a change, and one open change a target."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from setpoint.ledger import Conflict, IllegalTransition, Ledger, NotRecorded, TargetBusy
from setpoint.model import ApplyResult, Change, ChangeState, PlannedChange, Reason
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change

MakeResult = Callable[[ChangeState], ApplyResult]

LATER = NOW + timedelta(minutes=1)
IN_SERVICE = Reason(code="in_service", text="6 of 6 instances are in service")


def planned(change_id: str = "one", target: str = "web-1", **fields: Any) -> PlannedChange:
    return a_planned_change(target, change_id=change_id, **fields)


def apply(ledger: Ledger, change: PlannedChange, result: MakeResult, at: Any = NOW) -> Change:
    begin_change(ledger, change, at)
    return finish_change(ledger, change.change_id, result(ChangeState.APPLIED), at)


def settle(ledger: Ledger, change: PlannedChange, result: MakeResult, at: Any = NOW) -> Change:
    apply(ledger, change, result, at)
    return ledger.settle_change(change.change_id, IN_SERVICE, at)


def test_begin_writes_the_intent(ledger: Ledger) -> None:
    """Before the provider is called, the change stands in the ledger as applying."""
    begun = begin_change(ledger, planned(), NOW)
    assert (begun.state, begun.plan, begun.intended_at, begun.attempts) == (ChangeState.APPLYING, planned(), NOW, 1)
    assert ledger.change("one") == begun
    assert ledger.change("two") is None


def test_begin_again_counts_attempts(ledger: Ledger) -> None:
    """A retry finds its own intent, keeps its time, and counts."""
    begin_change(ledger, planned(), NOW)
    again = begin_change(ledger, planned(reason="told with newer numbers"), LATER)
    assert (again.state, again.intended_at, again.attempts) == (ChangeState.APPLYING, NOW, 2)
    assert again.plan.reason == planned().reason


def test_begin_after_the_end_reopens_nothing(ledger: Ledger, result: MakeResult) -> None:
    """A retry of a change that has ended is told how, cannot start it again, and is no attempt at it."""
    settle(ledger, planned(), result)
    again = begin_change(ledger, planned(), LATER)
    assert (again.state, again.attempts) == (ChangeState.SETTLED, 1)


@pytest.mark.parametrize("field", [{"to_units": 9}, {"target": "web-2"}, {"dry_run": True}, {"policy": "api"}])
def test_begin_altered(ledger: Ledger, field: dict[str, Any]) -> None:
    """The same id with another content is refused, with what differs."""
    begin_change(ledger, planned(), NOW)
    with pytest.raises(Conflict, match=next(iter(field))):
        begin_change(ledger, PlannedChange.model_validate({**dict(planned()), **field}), LATER)


@pytest.mark.parametrize("applied", [False, True], ids=["applying", "applied"])
def test_one_open_change_a_target(ledger: Ledger, result: MakeResult, applied: bool) -> None:
    """While one change of a target is open, another is refused and told which stands in the way since when."""
    begin_change(ledger, planned("one"), NOW)
    if applied:
        finish_change(ledger, "one", result(ChangeState.APPLIED), NOW)
    with pytest.raises(TargetBusy) as busy:
        begin_change(ledger, planned("two", policy="another"), LATER)
    assert (busy.value.open_change_id, busy.value.target, busy.value.since) == ("one", "web-1", NOW)
    assert "one" in str(busy.value)
    assert str(pickle.loads(pickle.dumps(busy.value))) == str(busy.value)
    assert ledger.change("two") is None


def test_other_targets_are_free(ledger: Ledger) -> None:
    """A target of another name, or of another kind, is another target."""
    begin_change(ledger, planned("one"), NOW)
    begin_change(ledger, planned("two", target="web-2"), NOW)
    begin_change(ledger, planned("three", target_kind="aws.ecs_service"), NOW)


@pytest.mark.parametrize("end", [ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED])
def test_an_ended_change_frees_its_target(ledger: Ledger, result: MakeResult, end: ChangeState) -> None:
    """A change that came to nothing stands in nobody's way."""
    begin_change(ledger, planned("one"), NOW)
    ended = finish_change(ledger, "one", result(end), NOW)
    assert (ended.state, ended.applied_at, ended.reason.code) == (end, None, "told")
    assert begin_change(ledger, planned("two"), LATER).state is ChangeState.APPLYING


def test_settled_change_frees_its_target(ledger: Ledger, result: MakeResult) -> None:
    """A settled change stands in nobody's way."""
    settled = settle(ledger, planned("one"), result)
    assert (settled.state, settled.applied_at, settled.settled_at) == (ChangeState.SETTLED, NOW, NOW)
    assert settled.reason == IN_SERVICE
    assert settled.result == result(ChangeState.APPLIED)
    assert begin_change(ledger, planned("two"), LATER).state is ChangeState.APPLYING


def test_taking_back_an_applied_change(ledger: Ledger, result: MakeResult) -> None:
    """The change that takes an applied one back may begin beside it; one that takes back an applying one may not."""
    begin_change(ledger, planned("one"), NOW)
    with pytest.raises(TargetBusy):
        begin_change(ledger, planned("back", reverts="one"), LATER)
    finish_change(ledger, "one", result(ChangeState.APPLIED), NOW)
    assert begin_change(ledger, planned("back", reverts="one"), LATER).plan.reverts == "one"
    with pytest.raises(TargetBusy, match="back"):
        begin_change(ledger, planned("again", reverts="one"), LATER)


def test_finish_again_keeps_the_first_result(ledger: Ledger, result: MakeResult) -> None:
    """A repeated result changes nothing, also when the change has settled meanwhile."""
    first = apply(ledger, planned(), result)
    other = result(ChangeState.APPLIED).model_copy(update={"request_id": "another"})
    assert finish_change(ledger, "one", other, LATER) == first
    settled = ledger.settle_change("one", IN_SERVICE, LATER)
    assert finish_change(ledger, "one", other, LATER) == settled
    assert ledger.settle_change("one", Reason(code="late", text="too late"), LATER) == settled


@pytest.mark.parametrize("first", [ChangeState.APPLIED, ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED])
@pytest.mark.parametrize("second", [ChangeState.APPLIED, ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED])
def test_one_ending_only(ledger: Ledger, result: MakeResult, first: ChangeState, second: ChangeState) -> None:
    """A change ends in one way; being told of another is an error, and the first stays."""
    begin_change(ledger, planned(), NOW)
    ended = finish_change(ledger, "one", result(first), NOW)
    if first is not second:
        with pytest.raises(IllegalTransition, match=f"is {first.value} and cannot become {second.value}"):
            finish_change(ledger, "one", result(second), LATER)
    assert ledger.change("one") == ended


@pytest.mark.parametrize("state", [ChangeState.APPLYING, ChangeState.SETTLED])
def test_what_is_no_result(ledger: Ledger, result: MakeResult, state: ChangeState) -> None:
    """Applying and settled are no results of asking the provider."""
    begin_change(ledger, planned(), NOW)
    with pytest.raises(IllegalTransition, match="a result is one of applied, no_op, refused, failed"):
        finish_change(ledger, "one", result(state), NOW)


@pytest.mark.parametrize("state", [None, ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED])
def test_only_applied_changes_settle(ledger: Ledger, result: MakeResult, state: ChangeState | None) -> None:
    """What the provider never accepted cannot come into service."""
    begin_change(ledger, planned(), NOW)
    if state is not None:
        finish_change(ledger, "one", result(state), NOW)
    with pytest.raises(IllegalTransition, match="cannot become settled"):
        ledger.settle_change("one", IN_SERVICE, LATER)


def test_unknown_change(ledger: Ledger, result: MakeResult) -> None:
    """What was never begun can be neither finished nor settled nor asked about."""
    with pytest.raises(NotRecorded, match="no change nope"):
        finish_change(ledger, "nope", result(ChangeState.APPLIED), NOW)
    with pytest.raises(NotRecorded):
        ledger.settle_change("nope", IN_SERVICE, NOW)
    with pytest.raises(NotRecorded):
        ledger.superseded_by("nope")


def test_dry_run_is_never_open(ledger: Ledger, result: MakeResult) -> None:
    """A dry run is on record as refused, beside any open change, and cannot have been applied."""
    begin_change(ledger, planned("real"), NOW)
    dry = begin_change(ledger, planned("dry", dry_run=True), NOW)
    assert (dry.state, dry.reason.code) == (ChangeState.REFUSED, "dry_run")
    assert dry.result is not None
    assert begin_change(ledger, planned("dry", dry_run=True), LATER) == dry
    with pytest.raises(IllegalTransition):
        finish_change(ledger, "dry", result(ChangeState.APPLIED), NOW)
    assert [one.change_id for one in ledger.unfinished_changes(LATER)] == ["real"]


def test_refuse_without_beginning(ledger: Ledger, result: MakeResult) -> None:
    """A change can be refused before it begins, beside an open one; the first word on it stays."""
    reason = Reason(code="change_in_progress", text="another change is open")
    begin_change(ledger, planned("real"), NOW)
    refused = ledger.refuse_change(planned("two"), reason, NOW)
    assert (refused.state, refused.reason, refused.applied_at) == (ChangeState.REFUSED, reason, None)
    assert ledger.refuse_change(planned("two"), Reason(code="other", text="other"), LATER) == refused
    assert begin_change(ledger, planned("two"), LATER).state is ChangeState.REFUSED


@pytest.mark.parametrize("applied", [False, True], ids=["applying", "applied"])
def test_refuse_what_is_open(ledger: Ledger, result: MakeResult, applied: bool) -> None:
    """An open change may have reached the provider, so it cannot be refused any more."""
    begin_change(ledger, planned(), NOW)
    if applied:
        finish_change(ledger, "one", result(ChangeState.APPLIED), NOW)
    with pytest.raises(IllegalTransition, match="may have been called"):
        ledger.refuse_change(planned(), Reason(code="late", text="late"), NOW)


def test_changes_of_a_run(ledger: Ledger, result: MakeResult) -> None:
    """A run's changes come in the order in which they were begun."""
    apply(ledger, planned("b", "web-1"), result)
    begin_change(ledger, planned("a", "web-2"), NOW)
    begin_change(ledger, planned("c", "web-3", run_id="run-2"), NOW)
    assert [one.change_id for one in ledger.changes_of("run-1")] == ["b", "a"]


def test_changes_since(ledger: Ledger) -> None:
    """Changes can be read by time and policy, refused ones included."""
    begin_change(ledger, planned("old", "web-1"), NOW - timedelta(seconds=1))
    begin_change(ledger, planned("new", "web-2"), NOW)
    ledger.refuse_change(planned("api", "api-1", policy="api"), Reason(code="no", text="no"), LATER)
    assert [one.change_id for one in ledger.changes_since(NOW)] == ["new", "api"]
    assert [one.change_id for one in ledger.changes_since(NOW, policy="api")] == ["api"]


def test_unfinished_changes(ledger: Ledger, result: MakeResult) -> None:
    """Reconciliation finds what is applying or applied for long, and leaves alone what is young or done."""
    old, young = NOW - timedelta(hours=1), NOW
    begin_change(ledger, planned("applying", "t1"), old)
    apply(ledger, planned("applied", "t2"), result, old)
    settle(ledger, planned("settled", "t3"), result, old)
    begin_change(ledger, planned("failed", "t4"), old)
    finish_change(ledger, "failed", result(ChangeState.FAILED), old)
    begin_change(ledger, planned("dry", "t5", dry_run=True), old)
    begin_change(ledger, planned("young", "t6"), young)
    apply(ledger, planned("young applied", "t7"), result, young)
    assert [one.change_id for one in ledger.unfinished_changes(NOW)] == ["applying", "applied"]


def test_superseded_by(ledger: Ledger, result: MakeResult) -> None:
    """The first later change that took effect on the same target supersedes, whoever made it."""
    settle(ledger, planned("one"), result)
    begin_change(ledger, planned("failed"), NOW)
    finish_change(ledger, "failed", result(ChangeState.FAILED), NOW)
    settle(ledger, planned("elsewhere", "web-2"), result)
    begin_change(ledger, planned("dry", dry_run=True), NOW)
    assert ledger.superseded_by("one") is None
    settle(ledger, planned("two", policy="another"), result)
    settle(ledger, planned("three"), result)
    superseding = ledger.superseded_by("one")
    assert superseding is not None
    assert superseding.change_id == "two"
    assert ledger.superseded_by("three") is None
