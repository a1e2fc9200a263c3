"""What AWS refuses for good is not tried again; what may pass is; and a lease is held by nobody afterwards."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from setpoint.lab.faults import FaultKind
from setpoint.model import ChangeState
from setpoint.sources.contract import SourceError
from setpoint.targets.contract import TargetError
from setpoint_airflow.exceptions import ChangesFailedError, ChangesFailedForGoodError, PermanentError
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.operators.change import ApplyChangesOperator


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
