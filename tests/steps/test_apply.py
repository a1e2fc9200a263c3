"""Carrying a change out, once, whatever dies in between."""

from __future__ import annotations

import contextlib
import itertools
from datetime import timedelta
from typing import Any

import pytest

from setpoint.ledger import Ledger
from setpoint.model import ApplyResult, Change, ChangeState, Operation, PlannedChange, Reason
from setpoint.policy.schema import Policy
from setpoint.steps.apply import carry_out, ended_without_target
from setpoint.steps.patience import TRIES
from setpoint.targets.contract import TargetError
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change, a_policy

CRASHES = ("before the call", "in the call, after it took effect", "after the call, before the result is written")


class Dead(Exception):
    """The process died."""


def die(change: PlannedChange) -> None:
    raise Dead(change.change_id)


class NoHands:
    """What a dry run gets: nothing on it may be asked at all."""


@pytest.fixture
def attempt(ledger: Ledger, target: Any, clock: Any, policy: Policy, patience: Any) -> Any:
    """Carries a change out: ``attempt(change)``, with other arguments by name."""

    def go(change: PlannedChange, **given: Any) -> Change:
        arguments = {
            "policy": policy,
            "plan_expires_at": NOW + timedelta(minutes=10),
            "target": target,
            "ledger": ledger,
            "clock": clock,
            "patience": patience,
        }
        return carry_out(change, **{**arguments, **given})

    return go


def steps_of(ledger: Ledger, change: PlannedChange) -> list[str]:
    told = ledger.explain(change.change_id)
    assert told is not None
    return [step.state.value for story in told.changes for step in story.steps]


def test_intent_before_the_call_and_result_after_it(attempt, ledger, target) -> None:
    """While the provider is called the ledger has the intent and no result; afterwards it has both."""
    change = a_planned_change()
    seen = []
    target.at_call.append(lambda one: seen.append(ledger.change(one.change_id)))
    after = attempt(change)

    assert [(one.state, one.result) for one in seen] == [(ChangeState.APPLYING, None)]
    assert (after.state, after.reason.code, target.desired["web-1"]) == (ChangeState.APPLIED, "applied", 6)
    assert after.result.before.desired_units == 4
    assert steps_of(ledger, change) == ["applying", "applied"]


@pytest.mark.parametrize("crashes", [once for n in (1, 2) for once in itertools.product(CRASHES, repeat=n)])
def test_a_retry_after_a_crash_changes_once(attempt, ledger, target, clock, crashes: tuple[str, ...]) -> None:
    """Wherever earlier attempts died, retries end in exactly one effective call and a whole record."""
    change = a_planned_change()

    def clock_dies(_: PlannedChange) -> None:
        clock.dies = Dead()  # the next thing after the call is to ask the time, for the record

    for where in crashes:
        target.at_call, target.after_call = [], []
        if where == CRASHES[0]:
            target.at_call.append(die)
        else:
            target.after_call.append(die if where == CRASHES[1] else clock_dies)
        with contextlib.suppress(Dead):  # a later attempt may find the call done, and not get as far as to die
            attempt(change)
    target.at_call, target.after_call = [], []
    after = attempt(change)

    assert (after.state, target.desired["web-1"]) == (ChangeState.APPLIED, 6)
    assert [one.change_id for one in target.effective_calls] == [change.change_id]
    assert steps_of(ledger, change) == ["applying", "applied"]
    assert after.result is not None
    assert attempt(change) == after


def test_a_call_that_went_through_is_recognised(attempt, target) -> None:
    """The second attempt reads that the first one's call went through, and says so."""
    target.after_call.append(die)
    with pytest.raises(Dead):
        attempt(a_planned_change())

    again = attempt(a_planned_change())
    assert (again.reason.code, again.attempts) == ("applied_by_earlier_attempt", 2)


def test_two_runs_of_one_spike_make_one_change(attempt, ledger, target, clock) -> None:
    """A second run whose metrics are from before the first one's change took effect is refused, however late it is."""
    first = a_planned_change(metrics_pulled_at=NOW)
    attempt(first)
    clock.pass_(hours=1)
    ledger.settle_change(first.change_id, Reason(code="in_service", text="6 of 6 in service"), clock())
    second = a_planned_change(from_units=6, to_units=8, metrics_pulled_at=NOW - timedelta(seconds=1))
    refused = attempt(second, plan_expires_at=clock() + timedelta(minutes=10))

    assert (refused.state, refused.reason.code) == (ChangeState.REFUSED, "changed_since_pull")
    assert target.desired["web-1"] == 6


def test_another_open_change_of_the_target_refuses(attempt, ledger, target) -> None:
    """A busy target is a refusal on record, with the change in the way, and no call."""
    begin_change(ledger, a_planned_change("web-1", 4, 5, change_id="first"), NOW)
    after = attempt(a_planned_change())

    assert (after.state, after.reason.code) == (ChangeState.REFUSED, "change_in_progress")
    assert "first" in after.reason.text
    assert ledger.change(after.change_id) == after
    assert target.effective_calls == []


@pytest.mark.parametrize(
    ("code", "desired", "policy_fields", "expires", "operations"),
    [
        ("plan_expired", 4, {}, NOW, ()),
        ("capacity_moved", 5, {}, None, ()),
        ("target_missing", None, {}, None, ()),
        ("operation_in_progress", 4, {}, None, (Operation(kind="instance_refresh", detail="40 %"),)),
        ("out_of_bounds", 4, {"limits": {"min": 2, "max": 5}}, None, ()),
        ("max_step", 4, {"limits": {"min": 2, "max": 10, "max_step": {"out": 1, "in": 1}}}, None, ()),
    ],
)
def test_what_does_not_hold_any_more_refuses(
    attempt, ledger, target, code, desired, policy_fields, expires, operations
) -> None:
    """Each way the world may have moved on is a refusal of its own, on record, and no call."""
    if desired is None:
        del target.desired["web-1"]
    else:
        target.desired["web-1"] = desired
    target.operations = operations
    given = {"policy": a_policy(**policy_fields)} | ({"plan_expires_at": expires} if expires else {})
    after = attempt(a_planned_change(), **given)

    assert (after.state, after.reason.code) == (ChangeState.REFUSED, code)
    assert ledger.change(after.change_id) == after
    assert target.effective_calls == []


@pytest.mark.parametrize(
    ("change_dry", "policy_dry"), [(True, False), (False, True), (True, True)], ids=["run", "policy", "both"]
)
def test_a_dry_run_needs_no_target(attempt, ledger, change_dry: bool, policy_dry: bool) -> None:
    """A dry run, of the run or of the policy as it is now, is refused without a target that could do anything."""
    change = a_planned_change(dry_run=change_dry)
    after = attempt(change, policy=a_policy(dry_run=policy_dry), target=NoHands())

    assert (after.state, after.reason.code) == (ChangeState.REFUSED, "dry_run")
    assert "would have gone from 4 to 6" in after.reason.text
    assert ledger.change(change.change_id) == after


def test_a_change_that_may_have_been_called_is_never_ended_unseen(ledger, clock, policy) -> None:
    """Once a change was begun only its target knows; before, and once it has ended, nobody needs to ask."""
    change = a_planned_change()
    context = {"ledger": ledger, "clock": clock}
    assert ended_without_target(change, policy=policy, **context) is None
    begin_change(ledger, change, NOW)
    assert ended_without_target(change, policy=policy, **context) is None
    assert ended_without_target(change, policy=a_policy(dry_run=True), **context) is None


@pytest.mark.parametrize("state", [ChangeState.APPLIED, ChangeState.REFUSED, ChangeState.FAILED, ChangeState.NO_OP])
def test_what_has_ended_stays(attempt, ledger, target, state: ChangeState) -> None:
    """A change that has ended is returned as it is, and its target is not asked."""
    change = a_planned_change()
    begin_change(ledger, change, NOW)
    ended = finish_change(ledger, change.change_id, ApplyResult(state=state, reason=Reason.of("x", "x")), NOW)
    assert attempt(change, target=NoHands()) == ended


def test_nobody_knows_whether_the_call_arrived(attempt, ledger, target) -> None:
    """An error that may pass leaves the change applying, for a retry, which then changes once."""

    def throttled(_: PlannedChange) -> None:
        raise TargetError("throttled", code="Throttling", retryable=True)

    target.at_call += [throttled] * TRIES
    with pytest.raises(TargetError):
        attempt(a_planned_change())
    assert ledger.change(a_planned_change().change_id).state is ChangeState.APPLYING
    assert attempt(a_planned_change()).state is ChangeState.APPLIED
    assert len(target.effective_calls) == 1


def test_an_error_for_good_is_a_failure_on_record(attempt, ledger, target) -> None:
    """An error that will not pass is a failed change with the provider's words, not an exception."""
    target.unreadable = TargetError("access denied", code="AccessDenied", retryable=False)
    after = attempt(a_planned_change())

    assert (after.state, after.reason.code) == (ChangeState.FAILED, "provider_error")
    assert "access denied" in after.reason.text
