"""Taking a harmful change back: once, after as many attempts as it takes and may take."""

from __future__ import annotations

from typing import Any

import pytest

from setpoint.model import ChangeState, Followed, HealthVerdict, Operation, Outcome, Reason
from setpoint.steps.roll_back import roll_back
from setpoint.targets.contract import TargetError
from setpoint.testing.values import a_policy

REFRESH = Operation(kind="instance_refresh", detail="40 % done")


@pytest.fixture
def harmful(done: Any, ledger: Any, clock: Any) -> tuple[Any, Outcome]:
    """A change whose outcome says that it is taken back."""
    change = done()
    outcome = Outcome(
        change_id=change.change_id,
        policy="web",
        run_id=change.plan.run_id,
        target="web-1",
        verdict=HealthVerdict.DEGRADED,
        followed=Followed.ROLL_BACK,
        reasons=(Reason.of("health_degraded", "cpu went from 50 to 95"),),
        recorded_at=clock.now,
    )
    return change, ledger.record_outcome(outcome)


@pytest.fixture
def take_back(harmful: Any, ledger: Any, target: Any, policy: Any, clock: Any, patience: Any) -> Any:
    """Takes the harmful change back, or tries to."""

    def go(attempts: int = 1, **given: Any) -> Any:
        change, outcome = harmful
        arguments = {"policy": policy, "reader": target, "target": lambda: target, "ledger": ledger, "clock": clock}
        arguments["patience"] = patience
        return roll_back(change, outcome, attempts=attempts, **{**arguments, **given})

    return go


def test_taken_back_once(take_back, ledger, target, harmful) -> None:
    """The old capacity comes back by a change of its own; asked again, there is nothing more to do."""
    back = take_back()
    assert (back.state, target.desired["web-1"]) == (ChangeState.APPLIED, 4)
    assert (back.plan.reverts, back.plan.run_id) == (harmful[0].change_id, harmful[0].plan.run_id)
    assert take_back() == take_back(attempts=5) == back
    assert len(target.effective_calls) == 1


def test_a_kept_change_stays(take_back, harmful, ledger, target, policy, clock) -> None:
    """Nothing is taken back that the outcome keeps."""
    change, outcome = harmful
    kept = outcome.model_copy(update={"followed": Followed.KEEP})
    arguments = {"policy": policy, "reader": target, "target": lambda: target, "ledger": ledger, "clock": clock}
    assert roll_back(change, kept, **arguments) is None
    assert ledger.rollbacks_of(change.change_id) == ()


def test_a_refused_rollback_is_tried_again_when_the_obstacle_is_gone(take_back, target, ledger, harmful) -> None:
    """An instance refresh refuses the first attempt; while it runs no other is used up; when it ended, one succeeds."""
    target.operations = (REFRESH,)
    first = take_back()
    assert (first.state, first.reason.code) == (ChangeState.REFUSED, "operation_in_progress")
    assert take_back() == first, "the run itself does not try twice"
    waiting = take_back(attempts=5)
    assert isinstance(waiting, Reason)
    assert waiting.code == "operation_in_progress"

    target.operations = ()
    second = take_back(attempts=5)
    assert (second.state, target.desired["web-1"]) == (ChangeState.APPLIED, 4)
    assert ledger.rollbacks_of(harmful[0].change_id) == (first, second)
    assert first.change_id != second.change_id


def test_attempts_end(take_back, target, ledger, harmful) -> None:
    """A provider that always fails is asked as often as allowed; each attempt is on record."""

    def broken(_: Any) -> None:
        raise TargetError("access denied", code="AccessDenied", retryable=False)

    target.at_call = [broken] * 10
    results = [take_back(attempts=3) for _ in range(6)]

    attempts = ledger.rollbacks_of(harmful[0].change_id)
    assert [one.state for one in attempts] == [ChangeState.FAILED] * 3
    assert len({one.change_id for one in attempts}) == 3
    assert results[2:] == [attempts[-1]] * 4


def test_an_attempt_that_may_have_been_called_is_gone_on_with(take_back, target, ledger, harmful) -> None:
    """A crash behind the call does not lead to a second attempt: the first is finished by what the target says."""

    class Dead(Exception):
        pass

    def die(_: Any) -> None:
        raise Dead

    target.after_call.append(die)
    with pytest.raises(Dead):
        take_back()
    back = take_back(attempts=5)
    assert (back.state, back.reason.code) == (ChangeState.APPLIED, "applied_by_earlier_attempt")
    assert (len(target.effective_calls), len(ledger.rollbacks_of(harmful[0].change_id))) == (1, 1)


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_later_change_holds(take_back, done, target, attempts: int) -> None:
    """What moved the target since stays, also when the target happens to stand where the harmful change left it."""
    done(before=6, after=8, minutes_ago=10)
    done(before=8, after=6, minutes_ago=5)
    assert target.desired["web-1"] == 6
    assert take_back(attempts).code == "superseded"


@pytest.mark.parametrize(("desired", "code"), [(4, "already_back"), (7, "superseded"), (None, "target_missing")])
@pytest.mark.parametrize("attempts", [1, 5])
def test_somebody_else_moved_it(take_back, target, attempts: int, desired: int | None, code: str) -> None:
    """A person who moved or removed the target since is not overruled."""
    if desired is None:
        del target.desired["web-1"]
    else:
        target.desired["web-1"] = desired
    assert take_back(attempts).code == code
    assert target.effective_calls == []


def test_a_dry_policy_builds_nothing_that_could_change(take_back) -> None:
    """The policy became a dry run: the roll-back is refused on record, and no target is even built."""

    def never() -> Any:
        raise AssertionError("something that can change a target was built")

    dry = a_policy(dry_run=True)
    first = take_back(policy=dry, target=never)
    assert (first.state, first.reason.code) == (ChangeState.REFUSED, "dry_run")
    assert take_back(5, policy=dry, target=never).code == "dry_run"
