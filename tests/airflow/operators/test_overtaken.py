"""A run that was so slow that reconciliation took it for dead, and gave its events to another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from setpoint.model import Event
from setpoint.policy.loader import policy_named
from setpoint.steps.intake import take_in
from setpoint_airflow.operators.decide import DecideOperator
from setpoint_airflow.operators.evaluate import AggregateOperator, PullMetricsOperator, ValidateBatchOperator
from setpoint_airflow.operators.record import CloseRunOperator


def test_an_overtaken_run_ends_without_a_failure(fleet: Any) -> None:
    """It decides nothing, and is no failed run that somebody has to look after: the other run has its events."""
    now = datetime.now(UTC)
    event = Event(event_id=f"{fleet.name}-1", kind="json", source="a test", occurred_at=now, received_at=now)
    fleet.ledger.accept_events([(event, (fleet.name,))])
    policy = policy_named(fleet.name, fleet.policies).policy
    take_in(policy, fleet.run_id, direct=[], ledger=fleet.ledger, trigger="inbox", now=now)
    for operator in (PullMetricsOperator, ValidateBatchOperator, AggregateOperator):
        operator(task_id="step", policy=fleet.name).execute(fleet.context())

    fleet.ledger.release_events(fleet.run_id)
    other = f"{fleet.name}/another"
    assert fleet.ledger.take_events(fleet.name, other, now)

    with pytest.raises(AirflowSkipException, match="taken for dead"):
        DecideOperator(task_id="decide", policy=fleet.name).execute(fleet.context())
    closing = CloseRunOperator(task_id="close", policy=fleet.name)
    assert closing.execute(fleet.context(states={"take_events": "success", "decide": "skipped"})) == "nothing to do"

    ended = fleet.ledger.run(fleet.run_id)
    assert (ended.state, fleet.ledger.decisions_of(fleet.run_id)) == ("nothing_to_do", ())
    assert other in ended.reason
    assert [one.state for one in fleet.ledger.events_of(other)] == ["taken"]
