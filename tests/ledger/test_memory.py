"""What the guards remember of a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from setpoint.guards.memory import TargetMemory
from setpoint.ledger import Ledger
from setpoint.model import ApplyResult, ChangeState, Followed, HealthVerdict, Outcome, Reason
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change

MakeResult = Callable[[ChangeState], ApplyResult]

KIND = "aws.autoscaling_group@aws_default/"


def change(
    ledger: Ledger,
    result: MakeResult,
    target: str,
    from_units: int,
    to_units: int,
    minutes_ago: int,
    end: ChangeState | None = ChangeState.SETTLED,
    **fields: Any,
) -> str:
    at = NOW - timedelta(minutes=minutes_ago)
    planned = a_planned_change(target, from_units, to_units, **fields)
    planned = planned.model_copy(update={"change_id": f"{planned.change_id}-{minutes_ago}"})
    begin_change(ledger, planned, at)
    if end is ChangeState.SETTLED:
        finish_change(ledger, planned.change_id, result(ChangeState.APPLIED), at)
        ledger.settle_change(planned.change_id, Reason(code="in_service", text="in service"), at)
    elif end is not None:
        finish_change(ledger, planned.change_id, result(end), at)
    return planned.change_id


def judge(ledger: Ledger, change_id: str, followed: Followed = Followed.KEEP) -> None:
    """Record a verdict on a change."""
    harmful = followed is Followed.ROLL_BACK
    ledger.record_outcome(
        Outcome(
            change_id=change_id,
            policy="web",
            run_id="run-1",
            target="web-1",
            verdict=HealthVerdict.DEGRADED if harmful else HealthVerdict.HEALTHY,
            followed=followed,
            reasons=(Reason(code="health_healthy", text="latency 120 ms of 250 ms allowed"),),
            recorded_at=NOW,
        )
    )


def unjudged(ledger: Ledger) -> str | None:
    """The change of ``web-1`` that waits for its verdict."""
    return ledger.memory("web", ["web-1"], KIND, NOW)["web-1"].unjudged_change_id


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """The statements sent meanwhile."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_nothing_to_remember(ledger: Ledger) -> None:
    """Every target asked for has a memory, an empty one at first."""
    assert ledger.memory("web", ["web-1"], KIND, NOW) == {"web-1": TargetMemory(target="web-1")}
    assert ledger.memory("web", [], KIND, NOW) == {}


def test_last_change_by_direction(ledger: Ledger, result: MakeResult) -> None:
    """The newest effective change of each direction counts, whichever policy made it, and the last one's capacity."""
    change(ledger, result, "web-1", 2, 4, minutes_ago=50)
    change(ledger, result, "web-1", 4, 6, minutes_ago=40, policy="another")
    change(ledger, result, "web-1", 6, 5, minutes_ago=30)
    change(ledger, result, "web-1", 5, 3, minutes_ago=20, end=ChangeState.APPLIED)
    remembered = ledger.memory("web", ["web-1"], KIND, NOW)["web-1"]
    assert remembered.last_out_at == NOW - timedelta(minutes=40)
    assert remembered.last_in_at == NOW - timedelta(minutes=20)
    assert (remembered.last_from_units, remembered.last_to_units) == (5, 3)
    assert remembered.open_change_id is not None


def test_what_leaves_no_trace(ledger: Ledger, result: MakeResult) -> None:
    """Changes that came to nothing, dry runs and other kinds of target are not remembered."""
    change(ledger, result, "web-1", 2, 3, 9, ChangeState.FAILED)
    change(ledger, result, "web-1", 2, 3, 8, ChangeState.NO_OP)
    change(ledger, result, "web-1", 2, 3, 7, ChangeState.REFUSED)
    change(ledger, result, "web-1", 2, 3, 6, end=None, dry_run=True)
    change(ledger, result, "web-1", 2, 3, 5, target_kind="aws.ecs_service")
    change(ledger, result, "web-2", 2, 3, 4)
    assert ledger.memory("web", ["web-1"], KIND, NOW)["web-1"] == TargetMemory(target="web-1")


def test_open_change(ledger: Ledger, result: MakeResult) -> None:
    """A change that is applying is open, and has no time of application yet."""
    change_id = change(ledger, result, "web-1", 2, 4, 1, end=None)
    assert ledger.memory("web", ["web-1"], KIND, NOW)["web-1"] == TargetMemory(target="web-1", open_change_id=change_id)


def test_unjudged_until_there_is_a_verdict(ledger: Ledger, result: MakeResult) -> None:
    """A change that took effect is unjudged, whichever policy made it, until its outcome is recorded."""
    change(ledger, result, "web-2", 2, 4, minutes_ago=9)
    assert unjudged(ledger) is None
    begun = change(ledger, result, "web-1", 2, 4, 8, end=None, policy="another")
    assert unjudged(ledger) is None
    finish_change(ledger, begun, result(ChangeState.APPLIED), NOW - timedelta(minutes=8))
    assert unjudged(ledger) == begun
    ledger.settle_change(begun, Reason(code="in_service", text="in service"), NOW)
    assert unjudged(ledger) == begun
    judge(ledger, begun)
    assert unjudged(ledger) is None


def test_only_the_last_change_is_unjudged(ledger: Ledger, result: MakeResult) -> None:
    """A change that another one followed has nothing left to be judged on; what came to nothing does not follow it."""
    change(ledger, result, "web-1", 2, 4, minutes_ago=50)
    last = change(ledger, result, "web-1", 4, 6, minutes_ago=40)
    change(ledger, result, "web-1", 6, 7, 30, ChangeState.REFUSED)
    assert unjudged(ledger) == last
    judge(ledger, last)
    assert unjudged(ledger) is None


@pytest.mark.parametrize(
    ("end", "still"),
    [
        (ChangeState.SETTLED, False),
        (ChangeState.NO_OP, False),
        (None, False),
        (ChangeState.REFUSED, True),
        (ChangeState.FAILED, True),
    ],
)
def test_harm_counts_as_unjudged_until_it_is_taken_back(
    ledger: Ledger, result: MakeResult, end: ChangeState | None, still: bool
) -> None:
    """Between a verdict and the rollback that answers it nothing slips in; the rollback itself holds nothing up."""
    harmful = change(ledger, result, "web-1", 2, 4, minutes_ago=9)
    judge(ledger, harmful, Followed.ROLL_BACK)
    assert unjudged(ledger) == harmful
    change(ledger, result, "web-1", 4, 2, 1, end, reverts=harmful)
    assert (unjudged(ledger) == harmful) is still


def test_an_earlier_rollback_is_not_this_one(ledger: Ledger, result: MakeResult) -> None:
    """A rollback of an older change says nothing about the harm of a newer one."""
    older = change(ledger, result, "web-1", 2, 4, minutes_ago=9)
    judge(ledger, older, Followed.ROLL_BACK)
    change(ledger, result, "web-1", 4, 2, minutes_ago=8, reverts=older)
    newer = change(ledger, result, "web-1", 2, 5, minutes_ago=7)
    judge(ledger, newer, Followed.ROLL_BACK)
    assert unjudged(ledger) == newer


def test_clocks_that_disagree(ledger: Ledger, result: MakeResult) -> None:
    """A change counts although another machine's clock wrote it down a minute from now."""
    change(ledger, result, "web-1", 2, 4, minutes_ago=-1)
    assert ledger.memory("web", ["web-1"], KIND, NOW)["web-1"].last_out_at == NOW + timedelta(minutes=1)


def test_one_query_for_a_fleet(ledger: Ledger, result: MakeResult) -> None:
    """A thousand targets with odd names cost one query."""
    odd = "a\\b\0c' OR 1=1"
    waiting = change(ledger, result, odd, 2, 4, 1)
    targets = [odd, *(f"web-{n}" for n in range(1000))]
    with counted_queries() as sent:
        remembered = ledger.memory("web", targets, KIND, NOW)
    assert list(remembered) == targets
    assert remembered[odd].last_to_units == 4
    assert remembered[odd].unjudged_change_id == waiting
    assert len([one for one in sent if one.startswith("SELECT")]) == 1
