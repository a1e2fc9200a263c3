"""What AWS refuses for good is not tried again; what may pass is; and a lease is held by nobody afterwards."""

from __future__ import annotations

import json
import os
import pickle
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from botocore.exceptions import ClientError

from setpoint.lab.faults import FaultKind
from setpoint.model import ChangeState
from setpoint.sources.contract import SourceError
from setpoint.targets.contract import TargetError
from setpoint.testing.ledgers import apply
from setpoint_airflow.exceptions import ChangesFailedError, ChangesFailedForGoodError, PermanentError
from setpoint_airflow.operators.autoscaling import AutoScalingSetDesiredCapacityOperator
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.operators.change import ApplyChangesOperator
from setpoint_airflow.operators.feedback import InServiceSensor
from setpoint_airflow.triggers.settled import TROUBLE_SECONDS, ChangesSettledTrigger


@pytest.fixture
def step(fleet: Any) -> PolicyOperator:
    return PolicyOperator(task_id="a_step", policy=fleet.name)


@pytest.mark.parametrize(
    "error",
    [TargetError("denied", code="AccessDenied", retryable=False), SourceError("denied", retryable=False)],
    ids=["target", "source"],
)
def test_a_permanent_error_ends_the_task(fleet: Any, step: PolicyOperator, error: Exception) -> None:
    """It fails without another try, in the provider's words."""
    with pytest.raises(PermanentError, match="denied") as ended, step.runtime(fleet.context()):
        raise error
    assert isinstance(ended.value, AirflowFailException)


@pytest.mark.parametrize(
    "error",
    [TargetError("slow down", code="Throttling", retryable=True), SourceError("no answer", retryable=True)],
    ids=["target", "source"],
)
def test_what_may_pass_is_tried_again(fleet: Any, step: PolicyOperator, error: Exception) -> None:
    """It stays the error it was, so that Airflow's retries count."""
    with pytest.raises(type(error)) as ended, step.runtime(fleet.context()):
        raise error
    assert ended.value is error
    assert not isinstance(ended.value, AirflowFailException)


def test_a_change_that_failed_for_good_is_not_tried_again(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the change is failed, on record, and the task is not tried again; nobody holds a lease."""
    (change,) = fleet.decide((fleet.groups[0], 3, 5))
    chunk = {"action": "scale_out", "change_ids": [change.change_id]}
    operator = ApplyChangesOperator(task_id="apply", policy=fleet.name, direction="scale_out", chunk=chunk)
    from setpoint.targets.autoscaling_group import AutoScalingGroupTarget

    def denied(self: Any, *_: Any) -> Any:
        raise TargetError("AWS answered AccessDenied. Allow it.", code="AccessDenied", retryable=False)

    monkeypatch.setattr(AutoScalingGroupTarget, "apply", denied)
    with pytest.raises(ChangesFailedForGoodError, match="Allow it") as ended:
        operator.execute(fleet.context())
    assert isinstance(ended.value, AirflowFailException)
    assert str(pickle.loads(pickle.dumps(ended.value))) == str(ended.value)
    assert fleet.ledger.change(change.change_id).state is ChangeState.FAILED
    assert fleet.ledger.leases() == ()


def test_throttling_that_lasts_is_left_to_airflow(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When patience has run out the task fails, to be tried again; the change is open, and its lease is free."""
    monkeypatch.setattr("setpoint.steps.patience.BASE_SECONDS", 0.01)
    (change,) = fleet.decide((fleet.groups[0], 3, 5))
    chunk = {"action": "scale_out", "change_ids": [change.change_id]}
    operator = ApplyChangesOperator(task_id="apply", policy=fleet.name, direction="scale_out", chunk=chunk)
    fleet.lab.client.fault(FaultKind.THROTTLING, share=1.0, services=("autoscaling",))
    with pytest.raises(ChangesFailedError, match="Throttling") as ended:
        operator.execute(fleet.context())
    assert not isinstance(ended.value, AirflowFailException)
    assert fleet.ledger.change(change.change_id).state is ChangeState.APPLYING
    assert fleet.ledger.leases() == ()

    fleet.lab.client.remove_faults()
    assert operator.execute(fleet.context())[0]["state"] == "applied"
    assert fleet.desired(fleet.groups[0]) == 5


@pytest.mark.parametrize(
    ("code", "for_good"), [("AccessDenied", True), ("Throttling", False), ("ScalingActivityInProgress", False)]
)
def test_the_plain_operator_goes_by_the_same_table(
    fleet: Any, monkeypatch: pytest.MonkeyPatch, code: str, for_good: bool
) -> None:
    """Outside a policy too, what AWS refuses for good ends the task, with what to do about it."""
    operator = AutoScalingSetDesiredCapacityOperator(
        task_id="set",
        auto_scaling_group_name=fleet.groups[0],
        desired_capacity=5,
        region_name="eu-west-1",
        botocore_config={"retries": {"total_max_attempts": 1}},
    )
    refused = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    events = operator.hook.conn.meta.events
    events.register("before-call.auto-scaling.SetDesiredCapacity", lambda **_: _refusal(refused))
    with pytest.raises(AirflowFailException if for_good else ClientError) as ended:
        operator._set_desired_capacity(5)
    assert ("Allow autoscaling:SetDesiredCapacity" in str(ended.value)) is for_good
    assert fleet.desired(fleet.groups[0]) == 3


def _refusal(answer: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What a ``before-call`` handler returns instead of sending: the HTTP response and the parsed answer."""
    return SimpleNamespace(status_code=400), answer


def test_capacity_that_cannot_be_read_is_waited_for_in_the_triggerer(fleet: Any, monkeypatch: Any) -> None:
    """An outage while capacity arrives costs no try of the task: the triggerer looks until AWS answers again."""
    (change,) = fleet.decide((fleet.groups[0], 3, 5))
    chunk = {"action": "scale_out", "change_ids": [change.change_id]}
    at = datetime.now(UTC)
    apply(fleet.ledger, change, at)
    told = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    told["extra"]["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(told))
    fleet.lab.client.fault(FaultKind.API_DOWN, share=1.0, services=("autoscaling",))
    sensor = InServiceSensor(task_id="in_service", policy=fleet.name, chunk=chunk, poll_seconds=0.1)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(fleet.context())
    trigger = deferred.value.trigger
    assert trigger._waiting(), "the outage goes on"
    fleet.lab.client.remove_faults()
    fleet.autoscaling.set_desired_capacity(AutoScalingGroupName=fleet.groups[0], DesiredCapacity=5)
    assert trigger._waiting() in (True, False)
    assert trigger._trouble_since is None


def test_trouble_that_does_not_end_ends_the_wait(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The triggerer does not look for ever: after ten minutes of nothing but errors the task is tried again."""
    (change,) = fleet.decide((fleet.groups[0], 3, 5))
    apply(fleet.ledger, change, datetime.now(UTC))
    trigger = ChangesSettledTrigger(
        policy=fleet.name, run_id="manual__2026-03-01", change_ids=[change.change_id], poll_seconds=0.1
    )
    told = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    told["extra"]["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(told))
    fleet.lab.client.fault(FaultKind.API_DOWN, share=1.0, services=("autoscaling",))
    assert trigger._waiting()
    trigger._trouble_since -= TROUBLE_SECONDS + 1
    with pytest.raises(TargetError):
        trigger._waiting()
