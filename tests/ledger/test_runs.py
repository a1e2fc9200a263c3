"""Runs, and how the values of a retried task are kept."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update

from setpoint.ledger import Conflict, CorruptRecord, Ledger, NotRecorded
from setpoint.ledger.tables import EntryRow
from setpoint.model import MetricBatch, Plan, TargetState, Window, plan_hash
from setpoint.model.base import Value
from setpoint.testing.values import NOW, a_decision, a_planned_change, a_report, a_signal, a_state

RUN = "web/run-1"
LATER = NOW + timedelta(minutes=1)


def a_plan(*targets: str, run_id: str = RUN) -> Plan:
    changes = tuple(a_planned_change(target, run_id=run_id) for target in targets)
    return Plan(
        plan_id="plan-1",
        policy="web",
        run_id=run_id,
        changes=changes,
        units_delta=2 * len(changes),
        created_at=NOW,
        expires_at=LATER,
        hash=plan_hash(changes),
    )


def a_batch(**fields: Any) -> MetricBatch:
    return MetricBatch.model_validate(
        {
            "batch_id": "batch-1",
            "policy": "web",
            "uri": "batch-1.parquet",
            "window": Window(start=NOW - timedelta(minutes=10), end=NOW),
            "rows": 20,
            "sha256": "0" * 64,
            "pulled_at": NOW,
            **fields,
        }
    )


def entries(url: str, kind: str) -> list[tuple[int, int, Any]]:
    """Attempt, position and value of every entry of a kind, in the order in which they were written."""
    engine = create_engine(url)
    with engine.connect() as connection:
        query = select(EntryRow.attempt, EntryRow.position, EntryRow.value).where(EntryRow.kind == kind)
        rows = [tuple(row) for row in connection.execute(query.order_by(EntryRow.id))]
    engine.dispose()
    return rows


def test_a_run_from_start_to_finish(ledger: Ledger) -> None:
    """A run is running until it is finished, with a state and a sentence."""
    started = ledger.start_run(RUN, "web", NOW, "event", False, ["a", "b"])
    assert (started.state, started.reason, started.finished_at, started.event_ids) == (
        "running",
        None,
        None,
        ("a", "b"),
    )
    finished = ledger.finish_run(RUN, "succeeded", "1 scale_out, 3 hold", LATER)
    assert (finished.state, finished.reason, finished.finished_at) == ("succeeded", "1 scale_out, 3 hold", LATER)
    assert finished.started_at == NOW
    assert ledger.run(RUN) == finished
    assert ledger.run("web/run-2") is None


def test_start_again(ledger: Ledger) -> None:
    """A repeated run is running again; when it began first, and how often, is kept."""
    ledger.start_run(RUN, "web", NOW, "event", False, ["a"])
    ledger.finish_run(RUN, "failed", "the source did not answer", NOW)
    again = ledger.start_run(RUN, "web", LATER, "event", True, ["a", "b"])
    assert (again.state, again.reason, again.finished_at, again.attempts) == ("running", None, None, 2)
    assert (again.started_at, again.dry_run, again.event_ids) == (NOW, True, ("a", "b"))


def test_run_of_another_policy(ledger: Ledger) -> None:
    """Two policies whose Airflow runs share an id cannot share a run."""
    ledger.start_run("scheduled__1", "web", NOW, "schedule", False, [])
    with pytest.raises(Conflict, match="policy web and cannot be one of api"):
        ledger.start_run("scheduled__1", "api", NOW, "schedule", False, [])


def test_finish_what_never_started(ledger: Ledger) -> None:
    """A run that was never started cannot be finished."""
    with pytest.raises(NotRecorded, match="no run nope"):
        ledger.finish_run("nope", "succeeded", "fine", NOW)


def test_values_come_back(ledger: Ledger) -> None:
    """Batch, report, signals, decisions and plan come back equal, in their order."""
    signals = (a_signal([1.0, None, 3.5], "web-1"), a_signal([], "web-2"))
    decisions = (a_decision("web-2", run_id=RUN), a_decision("web-1", run_id=RUN))
    ledger.record("batch", a_batch(), run_id=RUN, policy="web", at=NOW)
    ledger.record("report", a_report(), run_id=RUN, policy="web")
    ledger.record_many("signal", [(one.target, one) for one in signals], run_id=RUN, policy="web")
    ledger.record_decisions(RUN, decisions, a_plan("web-2", "web-1"))
    assert ledger.batch_of(RUN) == a_batch()
    assert ledger.report_of(RUN) == a_report()
    assert ledger.signals_of(RUN) == signals
    assert ledger.decisions_of(RUN) == decisions
    assert ledger.plan_of(RUN) == a_plan("web-2", "web-1")


def test_values_of_no_run(ledger: Ledger) -> None:
    """A run that recorded nothing has nothing."""
    assert (ledger.batch_of(RUN), ledger.report_of(RUN), ledger.plan_of(RUN)) == (None, None, None)
    assert (ledger.signals_of(RUN), ledger.decisions_of(RUN)) == ((), ())


def test_numbers_that_json_does_not_have(ledger: Ledger) -> None:
    """A signal of infinity comes back as infinity."""
    signal = a_signal([float("inf"), float("-inf")])
    ledger.record_many("signal", [("web-1", signal)], run_id=RUN, policy="web")
    assert ledger.signals_of(RUN) == (signal,)


def test_the_same_again_writes_nothing(ledger: Ledger, ledger_url: str) -> None:
    """A retry with the same answer leaves no second entry, for one value as for a set."""
    assert ledger.record("batch", a_batch(), run_id=RUN, policy="web") is True
    assert ledger.record("batch", a_batch(), run_id=RUN, policy="web") is False
    decisions = [a_decision("web-1", run_id=RUN), a_decision("web-2", run_id=RUN)]
    ledger.record_decisions(RUN, decisions, a_plan("web-1", "web-2"))
    ledger.record_decisions(RUN, decisions, a_plan("web-1", "web-2"))
    assert [len(entries(ledger_url, kind)) for kind in ("batch", "decision", "plan")] == [1, 2, 1]


def test_the_latest_attempt_is_read(ledger: Ledger, ledger_url: str) -> None:
    """Another answer on a retry is added; the newest is read, and the first stays on record."""
    ledger.record("batch", a_batch(rows=20), run_id=RUN, policy="web")
    ledger.record("batch", a_batch(rows=21), run_id=RUN, policy="web")
    ledger.record("batch", a_batch(rows=20), run_id=RUN, policy="web")
    latest = ledger.batch_of(RUN)
    assert latest is not None
    assert latest.rows == 20
    assert [(attempt, value["rows"]) for attempt, _, value in entries(ledger_url, "batch")] == [
        (1, 20),
        (2, 21),
        (3, 20),
    ]


def test_a_smaller_set_leaves_nothing_behind(ledger: Ledger, ledger_url: str) -> None:
    """When a fleet shrinks between two attempts, the target that is gone has no decision any more."""
    ledger.record_decisions(RUN, [a_decision("web-1", run_id=RUN), a_decision("web-2", run_id=RUN)])
    ledger.record_decisions(RUN, [a_decision("web-2", run_id=RUN)])
    assert [one.target for one in ledger.decisions_of(RUN)] == ["web-2"]
    assert [(attempt, position) for attempt, position, _ in entries(ledger_url, "decision")] == [(1, 0), (1, 1), (2, 0)]


def test_one_value_a_target(ledger: Ledger) -> None:
    """Values recorded one by one are kept by target: one target's retry does not touch the other's."""
    ledger.record("decision", a_decision("web-1", 4, 6, run_id=RUN), run_id=RUN, policy="web")
    ledger.record("decision", a_decision("web-2", 4, 6, run_id=RUN), run_id=RUN, policy="web", target="web-2")
    ledger.record("decision", a_decision("web-1", 4, 5, run_id=RUN), run_id=RUN, policy="web")
    assert {one.target: one.to_units for one in ledger.decisions_of(RUN)} == {"web-1": 5, "web-2": 6}


def test_wrong_model(ledger: Ledger) -> None:
    """A kind that is read back holds its own model only."""
    with pytest.raises(TypeError, match="a batch entry holds a MetricBatch, not a Signal"):
        ledger.record("batch", a_signal([1.0]), run_id=RUN, policy="web")
    assert ledger.batch_of(RUN) is None


def test_other_kinds_are_kept_too(ledger: Ledger, ledger_url: str) -> None:
    """Any value can be kept under a name of its own."""
    states: list[tuple[str | None, Value]] = [("web-1", a_state("web-1")), ("web-2", a_state("web-2"))]
    ledger.record_many("state", states, run_id=RUN, policy="web")
    kept = [TargetState.model_validate(value) for _, _, value in entries(ledger_url, "state")]
    assert kept == [a_state("web-1"), a_state("web-2")]


def test_decisions_of_two_runs(ledger: Ledger) -> None:
    """Decisions are recorded with their own run and plan, or not at all."""
    with pytest.raises(ValueError, match="run other"):
        ledger.record_decisions(RUN, [a_decision(run_id=RUN), a_decision(run_id="other")])
    with pytest.raises(ValueError, match="run other"):
        ledger.record_decisions(RUN, [a_decision(run_id=RUN)], a_plan("web-1", run_id="other"))
    with pytest.raises(ValueError, match="api, web"):
        ledger.record_decisions(RUN, [a_decision(run_id=RUN), a_decision(run_id=RUN, policy="api")])
    assert ledger.decisions_of(RUN) == ()


def test_an_altered_value_is_not_believed(ledger: Ledger, ledger_url: str) -> None:
    """A stored plan whose numbers were changed behind Setpoint's back is refused, and the error names the entry."""
    ledger.record_decisions(RUN, [a_decision(run_id=RUN)], a_plan("web-1"))
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        row = connection.execute(select(EntryRow.id, EntryRow.value).where(EntryRow.kind == "plan")).one()
        value = json.loads(json.dumps(row.value).replace('"to_units": 6', '"to_units": 60'))
        connection.execute(update(EntryRow).where(EntryRow.id == row.id).values(value=value))
    engine.dispose()
    with pytest.raises(CorruptRecord, match=rf"setpoint_entries {row.id}: the stored Plan"):
        ledger.plan_of(RUN)


def test_a_thousand_decisions_in_one_transaction(ledger: Ledger) -> None:
    """A large fleet's decisions are one record: all of them are there, in order."""
    decisions = [a_decision(f"web-{n}", run_id=RUN) for n in range(1000)]
    ledger.record_decisions(RUN, decisions)
    assert [one.target for one in ledger.decisions_of(RUN)] == [f"web-{n}" for n in range(1000)]
