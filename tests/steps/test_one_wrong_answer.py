"""A provider that says a wrong capacity, or none, once: no change is lost for it, and none is made twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from setpoint.model import ChangeState
from setpoint.steps.apply import carry_out
from setpoint.steps.look import look_again
from setpoint.steps.reconcile import GRACE
from setpoint.steps.settle import settle
from setpoint.targets.contract import TargetError
from setpoint.testing.ledgers import apply, begin_change
from setpoint.testing.values import NOW, a_planned_change, a_state

GONE = None
WRONG = [GONE, 0, 4, 5, 6, 9]


@pytest.fixture
def lies(target: Any) -> Any:
    """Makes the n-th reading from now say something else of web-1: ``lies(1, 9)``; ``None`` says there is none."""

    def go(nth: int, said: int | None) -> None:
        honest, readings = target.read, []

        def read(names: Any, **more: Any) -> Any:
            readings.append(names)
            seen = dict(honest(names, **more))
            if len(readings) == nth and "web-1" in seen:
                if said is None:
                    del seen["web-1"]
                else:
                    seen["web-1"] = a_state("web-1", said)
            return seen

        target.read = read

    return go


@pytest.fixture
def attempt(ledger: Any, target: Any, clock: Any, policy: Any, patience: Any) -> Any:
    def go() -> Any:
        return carry_out(
            a_planned_change(),
            policy=policy,
            plan_expires_at=NOW + timedelta(minutes=10),
            target=target,
            ledger=ledger,
            clock=clock,
            patience=patience,
        )

    return go


@pytest.mark.parametrize("said", WRONG)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_carrying_out(attempt: Any, target: Any, lies: Any, nth: int, said: int | None) -> None:
    """Whichever reading is wrong, the change is carried out, once."""
    lies(nth, said)
    assert attempt().state is ChangeState.APPLIED
    assert [one.to_units for one in target.effective_calls] == [6]


@pytest.mark.parametrize("said", WRONG)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_retry_of_a_call_that_went_through(
    attempt: Any, ledger: Any, target: Any, lies: Any, nth: int, said: int | None
) -> None:
    """The call of the dead attempt counts, whatever one reading says; setting the same number again changes nothing."""
    begin_change(ledger, a_planned_change(), NOW)
    target.desired["web-1"] = 6
    lies(nth, said)
    assert attempt().state is ChangeState.APPLIED
    assert target.desired["web-1"] == 6


@pytest.mark.parametrize("said", [GONE, 5, 9])
def test_somebody_elses_capacity_is_still_respected(attempt: Any, target: Any, lies: Any, said: int | None) -> None:
    """A target that really was moved is refused, also when one reading says something else again."""
    target.desired["web-1"] = 7
    lies(1, said)
    assert (attempt().reason.code, target.effective_calls) == ("capacity_moved", [])


@pytest.mark.parametrize("said", [GONE, 4, 9])
def test_settling(ledger: Any, target: Any, policy: Any, clock: Any, lies: Any, said: int | None) -> None:
    """A wrong reading does not make a change count as gone or superseded."""
    change = apply(ledger, a_planned_change(), NOW)
    target.desired["web-1"], target.in_service["web-1"] = 6, 4
    lies(1, said)
    (after,) = settle([change], policy=policy, target=target, ledger=ledger, now=clock())
    assert after.state is ChangeState.APPLIED


@pytest.mark.parametrize(("called", "said"), [(True, 4), (True, 9), (True, GONE), (False, 6), (False, GONE)])
def test_finishing_what_a_crash_left(
    ledger: Any, target: Any, policy: Any, clock: Any, lies: Any, called: bool, said: int | None
) -> None:
    """Reconciliation believes two readings that agree, not one."""
    from setpoint.steps.reconcile import _finish
    from setpoint.steps.reconciled import Reconciled

    change = begin_change(ledger, a_planned_change(), clock.now - GRACE)
    target.desired["web-1"] = 6 if called else 4
    lies(1, said)
    _finish(change, policy, target, ledger, clock, Reconciled("web"))
    assert ledger.change(change.change_id).state is (ChangeState.SETTLED if called else ChangeState.FAILED)


def test_a_capacity_that_differs_every_time(target: Any) -> None:
    """Looking again ends; and what cannot be read is an error, not an absence."""
    numbers = iter(range(10, 100))

    def moving(names: Any, **_: Any) -> Any:
        return {"web-1": a_state("web-1", next(numbers))}

    target.read = moving
    assert look_again(target, "web-1", a_state("web-1", 4)).desired_units == 12

    def unreadable(names: Any, **_: Any) -> Any:
        raise TargetError("throttled", code="Throttling", retryable=True)

    target.read = unreadable
    with pytest.raises(TargetError):
        look_again(target, "web-1", None)
