"""The history across runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from setpoint.ledger import Ledger
from setpoint.model import (
    Action,
    ApplyResult,
    ChangeState,
    Decision,
    Followed,
    HealthVerdict,
    Outcome,
    PlannedChange,
    Reason,
    Verdict,
)
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_decision

MakeResult = Callable[[ChangeState], ApplyResult]


def decided(ledger: Ledger, run_id: str, *decisions: Decision) -> None:
    ledger.record_decisions(run_id, decisions)


def a_hold(target: str, **fields: Any) -> Decision:
    reasons = (Reason(code="within_thresholds", text="cpu p90 is 50"),)
    return a_decision(target, 4, 4, reasons=reasons, **fields)


def acted(ledger: Ledger, result: MakeResult, decision: Decision, reverts: str | None = None) -> str:
    planned = PlannedChange.of(decision, "aws.autoscaling_group", reverts)
    begin_change(ledger, planned, decision.decided_at)
    finish_change(ledger, planned.change_id, result(ChangeState.APPLIED), decision.decided_at)
    ledger.settle_change(planned.change_id, Reason(code="in_service", text="in service"), decision.decided_at)
    return planned.change_id


def judged(ledger: Ledger, change_id: str, verdict: HealthVerdict, followed: Followed) -> None:
    ledger.record_outcome(
        Outcome(
            change_id=change_id,
            policy="web",
            run_id="run-1",
            target="web-1",
            verdict=verdict,
            followed=followed,
            reasons=(Reason(code="over_limit", text="latency 300 ms"),),
            recorded_at=NOW,
        )
    )


def test_decisions_with_what_came_of_them(ledger: Ledger, result: MakeResult) -> None:
    """Holding and changing decisions stand side by side, the changing one with its change's state and verdict."""
    out = a_decision("web-1", 4, 6)
    decided(ledger, "run-1", out, a_hold("web-2"))
    change_id = acted(ledger, result, out)
    judged(ledger, change_id, HealthVerdict.HEALTHY, Followed.KEEP)
    held, changed = ledger.history()
    assert (held.target, held.action, held.change_id, held.verdict) == ("web-2", Action.HOLD, None, None)
    assert held.reason.code == "within_thresholds"
    assert (changed.action, changed.from_units, changed.to_units) == (Action.SCALE_OUT, 4, 6)
    assert (changed.change_id, changed.change_state) == (change_id, ChangeState.SETTLED)
    assert (changed.verdict, changed.followed) == (HealthVerdict.HEALTHY, Followed.KEEP)
    assert (changed.quality, changed.at, changed.reverts) == (Verdict.PASS, NOW, None)


def test_roll_backs_are_told(ledger: Ledger, result: MakeResult) -> None:
    """A change that took another back is a row of its own, and the row it took back says that it was."""
    out = a_decision("web-1", 4, 6)
    decided(ledger, "run-1", out)
    change_id = acted(ledger, result, out)
    judged(ledger, change_id, HealthVerdict.DEGRADED, Followed.ROLL_BACK)
    back = a_decision("web-1", 6, 4, decided_at=NOW + timedelta(minutes=5))
    reverting = acted(ledger, result, back, reverts=change_id)
    newest, oldest = ledger.history()
    assert (newest.change_id, newest.reverts, newest.action) == (reverting, change_id, Action.SCALE_IN)
    assert (newest.from_units, newest.to_units, newest.quality) == (6, 4, None)
    assert (oldest.change_id, oldest.followed) == (change_id, Followed.ROLL_BACK)
    assert (oldest.rollback_state, newest.rollback_state) == (ChangeState.SETTLED, None)


def test_a_roll_back_that_came_to_nothing_is_told(ledger: Ledger, result: MakeResult) -> None:
    """How far the roll-back came is on the row of the change: not at all, then the last attempt's state."""
    out = a_decision("web-1", 4, 6)
    decided(ledger, "run-1", out)
    change_id = acted(ledger, result, out)
    judged(ledger, change_id, HealthVerdict.DEGRADED, Followed.ROLL_BACK)
    planned = ledger.change(change_id).plan  # type: ignore[union-attr]

    def told() -> ChangeState | None:
        return next(row.rollback_state for row in ledger.history() if row.change_id == change_id)

    assert told() is None
    ledger.refuse_change(planned.reversed("harm"), Reason(code="operation_in_progress", text="a refresh"), NOW)
    assert told() is ChangeState.REFUSED
    begin_change(ledger, planned.reversed("harm", 2), NOW)
    assert told() is ChangeState.APPLYING


def test_newest_first_and_narrowed(ledger: Ledger) -> None:
    """History can be asked for by policy, target and time, up to a limit, newest first."""
    for n in range(4):
        at = NOW + timedelta(minutes=n)
        decided(
            ledger,
            f"run-{n}",
            a_hold("web-1", run_id=f"run-{n}", decided_at=at),
            a_hold("web-2", run_id=f"run-{n}", decided_at=at),
        )
    decided(ledger, "api/1", a_hold("api-1", run_id="api/1", policy="api"))
    assert [row.run_id for row in ledger.history(target="web-1")] == ["run-3", "run-2", "run-1", "run-0"]
    assert [row.target for row in ledger.history(policy="api")] == ["api-1"]
    assert {row.run_id for row in ledger.history(since=NOW + timedelta(minutes=2))} == {"run-2", "run-3"}
    assert [row.at for row in ledger.history(limit=3)] == [NOW + timedelta(minutes=m) for m in (3, 3, 2)]
    assert len(ledger.history()) == 9


def test_changes_only(ledger: Ledger, result: MakeResult) -> None:
    """However many decisions changed nothing since, the changes and the roll-backs are found, up to the limit."""
    out = a_decision("web-1", 4, 6)
    decided(ledger, "run-1", out, a_hold("web-2"))
    change_id = acted(ledger, result, out)
    back = a_decision("web-1", 6, 4, decided_at=NOW + timedelta(minutes=5))
    reverting = acted(ledger, result, back, reverts=change_id)
    for n in range(3):
        decided(ledger, f"later-{n}", a_hold("web-1", run_id=f"later-{n}", decided_at=NOW + timedelta(hours=n + 1)))
    found = [row.change_id for row in ledger.history(limit=2, changes_only=True)]
    assert found == [reverting, change_id]
    assert [row.change_id for row in ledger.history(limit=1, changes_only=True)] == [reverting]
    assert ledger.history(target="web-2", changes_only=True) == []
    assert [row.change_id for row in ledger.history(limit=2)] == [None, None]


def test_only_the_latest_attempt(ledger: Ledger) -> None:
    """What a retry decided differently is told once, as decided last."""
    decided(ledger, "run-1", a_decision("web-1", 4, 6), a_decision("web-2", 4, 6))
    decided(ledger, "run-1", a_hold("web-1"))
    assert [(row.target, row.action) for row in ledger.history()] == [("web-1", Action.HOLD)]


def test_decisions_since(ledger: Ledger) -> None:
    """Decisions can be read by time and policy, in the order in which they were made."""
    decided(ledger, "run-2", a_hold("web-2", run_id="run-2", decided_at=NOW + timedelta(minutes=1)))
    decided(ledger, "run-1", a_hold("web-1", run_id="run-1"))
    decided(ledger, "api/1", a_hold("api-1", run_id="api/1", policy="api"))
    old = a_hold("web-0", run_id="run-0", decided_at=NOW - timedelta(minutes=1))
    decided(ledger, "run-0", old)
    assert [one.target for one in ledger.decisions_since(NOW)] == ["web-1", "api-1", "web-2"]
    assert [one.target for one in ledger.decisions_since(NOW, policy="web")] == ["web-1", "web-2"]
