"""What the guards remember of a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, event

from setpoint.guards.memory import TargetMemory
from setpoint.ledger import Ledger
from setpoint.model import ApplyResult, ChangeState, Reason
from setpoint.testing.values import NOW, a_planned_change

MakeResult = Callable[[ChangeState], ApplyResult]

KIND = "aws.autoscaling_group"


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
    ledger.begin_change(planned, at)
    if end is ChangeState.SETTLED:
        ledger.finish_change(planned.change_id, result(ChangeState.APPLIED), at)
        ledger.settle_change(planned.change_id, Reason(code="in_service", text="in service"), at)
    elif end is not None:
        ledger.finish_change(planned.change_id, result(end), at)
    return planned.change_id


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
    assert remembered.last_to_units == 3
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


def test_clocks_that_disagree(ledger: Ledger, result: MakeResult) -> None:
    """A change counts although another machine's clock wrote it down a minute from now."""
    change(ledger, result, "web-1", 2, 4, minutes_ago=-1)
    assert ledger.memory("web", ["web-1"], KIND, NOW)["web-1"].last_out_at == NOW + timedelta(minutes=1)


def test_one_query_for_a_fleet(ledger: Ledger, result: MakeResult) -> None:
    """A thousand targets with odd names cost one query."""
    odd = "a\\b\0c' OR 1=1"
    change(ledger, result, odd, 2, 4, 1)
    targets = [odd, *(f"web-{n}" for n in range(1000))]
    with counted_queries() as sent:
        remembered = ledger.memory("web", targets, KIND, NOW)
    assert list(remembered) == targets
    assert remembered[odd].last_to_units == 4
    assert len([one for one in sent if one.startswith("SELECT")]) == 1
