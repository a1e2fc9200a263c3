"""Killed anywhere between the intent and the verdict: one effective change, and a whole record, by whoever comes next.

A kill is an exception of no kind that anybody catches, raised at a point of the pipeline; so nothing is tidied up, and
the lease of the dead attempt stays until it runs out, because its process (this one) does run on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from setpoint import failpoints
from setpoint.model import Change, ChangeState, Followed
from setpoint.steps.apply import carry_out
from setpoint.steps.observe import observation_ends, observe
from setpoint.steps.reconcile import GRACE, reconcile
from setpoint.steps.roll_back import roll_back
from setpoint.steps.settle import settle
from setpoint.testing.values import a_planned_change

BEFORE_THE_CALL = ("before_intent", "after_intent", "at_call")
AFTER_THE_CALL = ("in_call", "after_call", "after_result", "while_waiting", "during_observation", "before_outcome")
IN_THE_ROLLBACK = ("rollback_intent", "during_rollback", "rollback_result")
POINTS = (*BEFORE_THE_CALL, *AFTER_THE_CALL, *IN_THE_ROLLBACK)


class Killed(BaseException):
    """SIGKILL: nobody catches it."""


class Run:
    """The tasks of one run behind the decision, in order; each may be killed, and started again."""

    def __init__(self, *, policy: Any, target: Any, ledger: Any, clock: Any, numbers: Any, store: Any, patience: Any):
        self.policy, self.target, self.ledger, self.clock = policy, target, ledger, clock
        self.numbers, self.store, self.patience = numbers, store, patience
        self.change = a_planned_change()
        self.expires = clock.now + timedelta(minutes=10)
        self.dies_at: str | None = None

    def point(self, name: str) -> None:
        if name == self.dies_at:
            self.dies_at = None
            raise Killed(name)

    def failpoint(self, _: Any, name: str, about: str) -> None:
        """What stands where a process would stand still to be killed."""
        taking_back = len(self.ledger.rollbacks_of(self.change.change_id)) > 0
        instead = {"after_intent": "rollback_intent", "after_result": "rollback_result"}
        self.point(instead.get(name, name) if taking_back else name)

    def go(self) -> None:
        """All tasks, each as a first attempt or as a retry."""
        around = {"policy": self.policy, "ledger": self.ledger}
        carry_out(
            self.change,
            plan_expires_at=self.expires,
            target=self.target,
            clock=self.clock,
            patience=self.patience,
            **around,
        )
        self.clock.pass_(seconds=5)
        change = self.now()
        if not change.state.effective:
            return
        self.point("while_waiting")
        settle([change], target=self.target, now=self.clock(), **around)
        self.clock.now = max(self.clock.now, observation_ends(self.now(), self.policy))
        self.point("during_observation")
        outcome = observe(
            self.now(),
            sources={"aws.cloudwatch": self.numbers},
            reader=self.target,
            store=self.store,
            now=self.clock(),
            **around,
        )
        back = roll_back(
            self.now(),
            outcome,
            reader=self.target,
            target=lambda: self.target,
            clock=self.clock,
            patience=self.patience,
            **around,
        )
        if isinstance(back, Change):
            settle([back], target=self.target, now=self.clock(), **around)

    def reconcile(self) -> None:
        """What comes when no retry does, now and again."""
        for _ in range(4):
            self.clock.pass_(seconds=(GRACE + self.policy.feedback.after).total_seconds() + 60)
            reconcile(
                self.policy,
                run_id="web/reconcile",
                reader=lambda: self.target,
                target=lambda: self.target,
                sources=lambda: {"aws.cloudwatch": self.numbers},
                store=self.store,
                ledger=self.ledger,
                clock=self.clock,
                patience=self.patience,
            )

    def now(self) -> Change:
        change = self.ledger.change(self.change.change_id)
        assert change is not None
        return change

    def killed_at(self, name: str) -> None:
        """Run until killed at a point."""

        def die(_: Any) -> None:
            self.point(name)

        self.dies_at = name
        if name == "at_call":
            self.target.at_call.append(die)
        elif name == "in_call":
            self.target.after_call.append(die)
        with pytest.raises(Killed):
            self.go()


@pytest.fixture
def run(
    policy: Any,
    target: Any,
    ledger: Any,
    clock: Any,
    numbers: Any,
    store: Any,
    patience: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> Run:
    made = Run(
        policy=policy,
        target=target,
        ledger=ledger,
        clock=clock,
        numbers=numbers,
        store=store,
        patience=patience,
    )
    monkeypatch.setenv(failpoints.VARIABLE, str(tmp_path))
    monkeypatch.setattr(failpoints, "_stand", made.failpoint)
    return made


@pytest.fixture
def harm(numbers: Any, clock: Any) -> Callable[[], None]:
    """From now on whatever is changed does harm, which is to be taken back."""

    def go() -> None:
        # A retry may come up to a lease later, and the window before the change is to be clean.
        begun = clock.now + timedelta(minutes=1)
        numbers.value = lambda at: 50.0 if at < begun else 140.0

    return go


def _story(ledger: Any, change: Change) -> Any:
    told = ledger.explain(change.change_id)
    (story,) = (one for one in told.changes if one.change.change_id == change.change_id)
    return story


def complete(run: Run) -> None:
    """Everything begun has ended, what took effect has its verdict, and nobody holds a lease."""
    ledger = run.ledger
    for change in ledger.changes_since(run.clock.now - timedelta(days=2)):
        assert change.state not in (ChangeState.APPLYING, ChangeState.APPLIED), change
        if change.state.effective and change.plan.reverts is None:
            assert ledger.outcome_of(change.change_id) is not None, change
        steps = [step.state for step in _story(ledger, change).steps]
        assert steps[0] is ChangeState.APPLYING
        assert len(steps) == len(set(steps)), "no step is written twice"
    assert [one for one in ledger.leases() if one.held_at(run.clock.now)] == []


@pytest.mark.parametrize(
    ("point", "harmful"),
    [(point, False) for point in (*BEFORE_THE_CALL, *AFTER_THE_CALL)] + [(point, True) for point in POINTS],
)
def test_killed_and_tried_again(run: Run, harm: Any, target: Any, point: str, harmful: bool) -> None:
    """A retry, whenever it comes, ends in the one change its breach was worth (and the one that takes harm back)."""
    if harmful:
        harm()
    run.killed_at(point)
    run.go()
    wanted = [6, 4] if harmful else [6]
    assert [one.to_units for one in target.effective_calls] == wanted
    assert (run.now().state, target.desired["web-1"]) == (ChangeState.SETTLED, wanted[-1])
    assert run.ledger.outcome_of(run.change.change_id).followed is (Followed.ROLL_BACK if harmful else Followed.KEEP)
    complete(run)
    run.reconcile()
    assert [one.to_units for one in target.effective_calls] == wanted, "reconciliation finds nothing left to do"


@pytest.mark.parametrize("point", [*BEFORE_THE_CALL, *AFTER_THE_CALL])
def test_killed_and_never_tried_again(run: Run, target: Any, point: str) -> None:
    """Without a retry, reconciliation finishes the record by what the target says, and changes nothing itself."""
    run.killed_at(point)
    run.reconcile()
    called = point in AFTER_THE_CALL
    assert [one.to_units for one in target.effective_calls] == ([6] if called else [])
    if point == "before_intent":
        assert run.ledger.change(run.change.change_id) is None
    else:
        assert run.now().state is (ChangeState.SETTLED if called else ChangeState.FAILED)
    complete(run)


@pytest.mark.parametrize("point", [*AFTER_THE_CALL, *IN_THE_ROLLBACK])
def test_harm_is_taken_back_without_its_run(run: Run, harm: Any, target: Any, point: str) -> None:
    """A run that died before it took harm back is no reason for the harm to stay."""
    harm()
    run.killed_at(point)
    run.reconcile()
    assert [one.to_units for one in target.effective_calls] == [6, 4]
    complete(run)


@pytest.mark.parametrize("first", [*BEFORE_THE_CALL, "in_call", "after_call"])
@pytest.mark.parametrize("second", [*BEFORE_THE_CALL, "in_call", "after_call"])
def test_killed_twice(run: Run, target: Any, first: str, second: str) -> None:
    """Two deaths in a row, anywhere before the result is written, are still one change."""
    run.killed_at(first)
    with contextlib.suppress(pytest.fail.Exception):  # the second attempt may not come as far as to die there
        run.killed_at(second)
    run.dies_at = None
    target.at_call.clear()
    target.after_call.clear()
    run.go()
    assert [one.to_units for one in target.effective_calls] == [6]
    complete(run)


def test_a_retry_while_the_dead_attempts_lease_runs_waits_it_out(run: Run, clock: Any) -> None:
    """Nobody can tell a stalled attempt from a dead one elsewhere: the retry waits for the lease to run out."""
    run.killed_at("after_intent")
    (lease,) = run.ledger.leases()
    assert clock.now < lease.expires_at
    run.go()
    assert run.now().applied_at >= lease.expires_at


def test_a_stalled_attempt_that_wakes_up_calls_nothing(run: Run, target: Any, clock: Any, policy: Any) -> None:
    """Overtaken by reconciliation between its intent and its call, it finds its lease lost and stops."""
    from setpoint.targets.contract import TargetError

    asleep = target.read

    def stall(names: Any, **more: Any) -> Any:
        seen = asleep(names, **more)
        target.read = asleep
        run.reconcile()
        return seen

    target.read = stall
    with pytest.raises(TargetError, match="carries it out no more") as stopped:
        run.go()
    assert (stopped.value.code, stopped.value.retryable) == ("lease_lost", True)
    assert target.effective_calls == []
    assert run.now().state is ChangeState.FAILED
    run.go()
    assert target.effective_calls == [], "its retry learns how it ended"
    complete(run)


def test_a_slow_attempt_renews_its_lease(run: Run, target: Any, clock: Any) -> None:
    """Reads that took longer than the lease are no reason to stop, as long as nobody took over."""
    read = target.read

    def slowly(names: Any, **more: Any) -> Any:
        clock.pass_(seconds=45)
        return read(names, **more)

    target.read = slowly
    run.go()
    assert [one.to_units for one in target.effective_calls] == [6]
    complete(run)
