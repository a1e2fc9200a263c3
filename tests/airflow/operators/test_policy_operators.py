"""The operators that change, follow, judge and close: what Airflow adds to the steps."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from setpoint.lab.faults import FaultKind
from setpoint.model import ApplyResult, ChangeState, Event, HealthVerdict, Reason
from setpoint.sources.contract import SourceError
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint_airflow import runtime
from setpoint_airflow.exceptions import RunFailedError
from setpoint_airflow.operators.change import ApplyChangesOperator, RollBackOperator
from setpoint_airflow.operators.feedback import InServiceSensor, RecordOutcomeOperator
from setpoint_airflow.operators.reconcile import ReconcileOperator
from setpoint_airflow.operators.record import CloseRunOperator
from setpoint_airflow.providers import reader_for
from setpoint_airflow.triggers.settled import ChangesSettledTrigger


def chunk_of(changes: Any) -> dict[str, Any]:
    return {"action": changes[0].action.value, "change_ids": [one.change_id for one in changes]}


def apply(fleet: Any, changes: Any) -> list[dict[str, Any]]:
    operator = ApplyChangesOperator(
        task_id="apply", policy=fleet.name, direction=changes[0].action.value, chunk=chunk_of(changes)
    )
    return operator.execute(fleet.context())


def rebuilt(trigger: Any) -> Any:
    """A trigger as the triggerer builds it: from JSON."""
    path, arguments = json.loads(json.dumps(trigger.serialize()))
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**arguments)


def first_event(trigger: Any, seconds: float = 60) -> Any:
    async def fire() -> Any:
        return await asyncio.wait_for(anext(aiter(trigger.run())), seconds)

    return asyncio.run(fire())


@pytest.mark.parametrize("dry", ["run", "policy"])
@pytest.mark.usefixtures("nothing_may_change")
def test_a_dry_run_builds_no_client_that_could_change(fleet: Any, dry: str) -> None:
    """Refused on record, with the capacity as it was, and nothing built that could have changed it."""
    changes = fleet.decide((fleet.groups[0], 3, 5), dry_run=dry == "run")
    if dry == "policy":
        fleet.policy(dry_run=True)  # it became one after the decision

    (row,) = apply(fleet, changes)
    assert (row["state"], fleet.desired(fleet.groups[0])) == ("refused", 3)
    assert "dry run" in row["reason"]


@pytest.mark.usefixtures("nothing_may_change")
def test_a_retry_of_what_has_ended_builds_no_client_either(fleet: Any) -> None:
    """A change on record is returned; nobody has to be asked."""
    (change,) = fleet.decide((fleet.groups[0], 3, 5))
    fleet.ledger.refuse_change(change, Reason.of("plan_expired", "too late"), datetime.now(UTC))
    assert [row["reason"] for row in apply(fleet, [change])] == ["too late"]


@pytest.mark.usefixtures("nothing_may_change")
def test_reconciling_a_fleet_as_it_should_be_builds_no_client_that_could_change(fleet: Any) -> None:
    """Reconciliation reads; what could change is built for a roll-back or a repair only."""
    operator = ReconcileOperator(task_id="reconcile", policies=[fleet.name])
    assert operator.execute(fleet.context()) == [f"{fleet.name}: as it should be"]


def test_one_policy_that_is_broken_does_not_keep_the_others(fleet: Any) -> None:
    """A policy file that is gone fails the task after the others had their turn, with its name."""
    broken = fleet.policies / "broken.yaml"
    broken.write_text("version: 1\nname: broken\n")
    fleet.autoscaling.set_desired_capacity(AutoScalingGroupName=fleet.groups[0], DesiredCapacity=8)
    fleet.policy(limits={"min": 1, "max": 6})
    operator = ReconcileOperator(task_id="reconcile", policies=["broken", fleet.name])
    with pytest.raises(RunFailedError, match="broken"):
        operator.execute(fleet.context())
    assert [one.kind for one in fleet.ledger.findings(fleet.name)] == ["out_of_bounds"]


def test_the_deferred_path_ends_as_the_direct_one(fleet: Any) -> None:
    """Whether the wait happened in the triggerer or there was none: the same changes, settled in the same words."""
    slow, quick = fleet.decide((fleet.groups[0], 3, 5), (fleet.groups[1], 3, 5))
    apply(fleet, [slow, quick])
    sensor = InServiceSensor(task_id="in_service", policy=fleet.name, chunk=chunk_of([slow]), poll_seconds=0.1)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(fleet.context())
    assert deferred.value.method_name == "execute_complete"
    trigger = rebuilt(deferred.value.trigger)
    assert trigger.serialize() == deferred.value.trigger.serialize()
    event = first_event(trigger)
    assert event.payload == {"change_ids": [slow.change_id]}
    by_triggerer = sensor.execute_complete(fleet.context(), event.payload)

    # By now the other group's capacity is in service as well, so it is looked at and not waited for.
    other = ChangesSettledTrigger(
        policy=fleet.name, run_id="manual__2026-03-01", change_ids=[quick.change_id], poll_seconds=0.1
    )
    first_event(other)
    direct = InServiceSensor(task_id="in_service", policy=fleet.name, chunk=chunk_of([quick])).execute(fleet.context())

    assert [line.replace(fleet.groups[0], "x") for line in by_triggerer] == [
        line.replace(fleet.groups[1], "x") for line in direct
    ]
    assert "5 of 5" in direct[0]
    ended = [fleet.ledger.change(one.change_id) for one in (slow, quick)]
    assert [(one.state, one.reason.code) for one in ended] == [(ChangeState.SETTLED, "in_service")] * 2


def test_the_triggerer_builds_one_reader_for_all_looks(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it looks; a look that failed for the moment is followed by one with a new reader."""
    told = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    told["extra"]["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(told))
    built: list[str] = []
    monkeypatch.setattr(runtime, "reader_for", lambda policy: built.append(policy.name) or reader_for(policy))
    changes = fleet.decide((fleet.groups[0], 3, 5))
    apply(fleet, changes)
    trigger = ChangesSettledTrigger(
        policy=fleet.name, run_id="manual__2026-03-01", change_ids=[changes[0].change_id], poll_seconds=0.1
    )
    fleet.lab.client.fault(FaultKind.API_DOWN)
    assert [trigger._waiting(), trigger._waiting()] == [True, True]
    fleet.lab.client.remove_faults()
    assert len(built) == 2
    first_event(trigger)
    trigger._waiting()
    assert len(built) == 3


def test_nothing_to_follow_is_skipped(fleet: Any) -> None:
    """A chunk of which nothing took effect is neither waited for nor judged."""
    changes = fleet.decide((fleet.groups[0], 3, 5), dry_run=True)
    apply(fleet, changes)
    for operator in (InServiceSensor, RecordOutcomeOperator):
        with pytest.raises(AirflowSkipException):
            operator(task_id="x", policy=fleet.name, chunk=chunk_of(changes)).execute(fleet.context())


def took_effect(fleet: Any, changes: Any) -> None:
    at = datetime.now(UTC) - timedelta(minutes=1)
    for one in changes:
        begin_change(fleet.ledger, one, at)
        accepted = ApplyResult(state=ChangeState.APPLIED, reason=Reason.of("applied", "accepted"))
        finish_change(fleet.ledger, one.change_id, accepted, at)
        fleet.ledger.settle_change(one.change_id, Reason.of("in_service", "all there"), at)


def test_a_target_that_is_gone_does_not_keep_the_others_from_their_outcome(fleet: Any) -> None:
    """The one that cannot be judged is recorded as such, with the reason, and the other one is judged."""
    changes = fleet.decide((fleet.groups[0], 3, 5), (fleet.groups[1], 2, 3))
    took_effect(fleet, changes)
    fleet.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=fleet.groups[0], ForceDelete=True)
    operator = RecordOutcomeOperator(task_id="outcome", policy=fleet.name, chunk=chunk_of(changes))
    operator.execute(fleet.context())

    gone, there = (fleet.ledger.outcome_of(one.change_id) for one in changes)
    assert (gone.verdict, gone.reasons[0].code) == (HealthVerdict.INCONCLUSIVE, "target_missing")
    assert there.provider is not None


def test_an_outage_is_tried_again_and_recorded_in_the_end(fleet: Any) -> None:
    """While there are tries left nothing is recorded; on the last one each change gets what can be said of it."""
    changes = fleet.decide((fleet.groups[0], 3, 5), (fleet.groups[1], 3, 5))
    took_effect(fleet, changes)
    fleet.lab.client.fault(FaultKind.API_DOWN, services=("monitoring",))
    operator = RecordOutcomeOperator(task_id="outcome", policy=fleet.name, chunk=chunk_of(changes))
    with pytest.raises(SourceError, match="tried again") as caught:
        operator.execute(fleet.context(try_number=2))
    assert all(group in str(caught.value) for group in fleet.groups), "each change was tried"
    assert [fleet.ledger.outcome_of(one.change_id) for one in changes] == [None, None]

    rows = operator.execute(fleet.context(try_number=3))
    assert [row["verdict"] for row in rows] == ["inconclusive", "inconclusive"]
    assert all("could not be read" in row["reasons"][0] for row in rows)


@pytest.mark.usefixtures("nothing_may_change")
def test_nothing_harmful_is_skipped_and_builds_no_client(fleet: Any) -> None:
    """Without an outcome that says so nothing is taken back."""
    changes = fleet.decide((fleet.groups[0], 3, 5))
    took_effect(fleet, changes)
    with pytest.raises(AirflowSkipException):
        RollBackOperator(task_id="back", policy=fleet.name, chunk=chunk_of(changes)).execute(fleet.context())


@pytest.mark.parametrize(
    ("what", "fate", "reason"),
    [
        ("dry run", "held", "1 scale_out; 1 refused"),
        ("refused", "held", "1 scale_out; 1 refused"),
        ("effective", "acted", "1 scale_out"),
    ],
)
def test_acted_on_is_what_changed_something(fleet: Any, what: str, fate: str, reason: str) -> None:
    """The events of a dry run, or of a run whose changes were refused, did not lead to a change."""
    now = datetime.now(UTC)
    event = Event(event_id=f"{fleet.name}-1", kind="json", source="a test", occurred_at=now, received_at=now)
    fleet.ledger.accept_events([(event, (fleet.name,))])
    fleet.ledger.take_events(fleet.name, fleet.run_id, now)
    (change,) = fleet.decide((fleet.groups[0], 3, 5), dry_run=what == "dry run")
    if what == "effective":
        took_effect(fleet, [change])
    else:
        fleet.ledger.refuse_change(change, Reason.of("x", "x"), now)

    said = CloseRunOperator(task_id="close", policy=fleet.name).execute(fleet.context())
    assert said == reason
    assert [one.state for one in fleet.ledger.events_of(fleet.run_id)] == [fate]
