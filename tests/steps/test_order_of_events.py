"""Messages out of order: what is done follows from the metrics, not from which message came last."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from setpoint.events.intake import event_kinds
from setpoint.events.queues import QueueRef
from setpoint.events.take_in import Message
from setpoint.events.take_in import take_in as receive
from setpoint.ledger import Ledger
from setpoint.model import Action
from setpoint.policy.schema import Policy
from setpoint.steps.evaluate import evaluate
from setpoint.steps.intake import take_in
from setpoint.testing.values import NOW, a_policy

QUEUE = QueueRef(connection="aws_default", region="eu-west-1", queue="events")


def listening() -> Policy:
    """A policy that looks when an alarm goes off and when it ends."""
    alarms = {"kind": "cloudwatch.alarm", "queue": "events", "states": ["ALARM", "OK"]}
    targets = {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": ["web-1", "web-2"]}
    return a_policy(targets=targets, triggers={"events": [alarms]})


def alarm(state: str, changed_at: datetime) -> Message:
    """A state change of one alarm, as CloudWatch publishes it."""
    body = {
        "AlarmName": "web-1-cpu-high",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": f"{changed_at:%FT%T}.000+0000",
        "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web-1-cpu-high",
        "Trigger": {
            "MetricName": "CPUUtilization",
            "Namespace": "AWS/EC2",
            "Dimensions": [{"value": "web-1", "name": "AutoScalingGroupName"}],
        },
    }
    return Message(f"message-{state}", json.dumps(body))


@pytest.mark.parametrize(("cpu", "action"), [(50.0, Action.HOLD), (90.0, Action.SCALE_OUT)])
@pytest.mark.parametrize("together", [True, False], ids=["in one run", "in two runs"])
def test_an_ok_that_overtakes_its_alarm(
    ledger: Ledger, clock: Any, target: Any, numbers: Any, store: Any, cpu: float, action: Action, together: bool
) -> None:
    """The ALARM comes last and is long over: nothing changes when the metrics are calm, and only then."""
    policy, kinds = listening(), event_kinds()
    numbers.value = lambda at: cpu
    messages = [alarm("OK", NOW), alarm("ALARM", NOW - timedelta(minutes=1))]
    actions: list[Action] = []
    for number, batch in enumerate([messages] if together else [[one] for one in messages]):
        taken = receive(batch, inbox=ledger, kinds=kinds, policies=[policy], queue=QUEUE, source="queue", now=clock.now)
        assert [one.fate for one in taken.receipts] == ["accepted"] * len(batch)
        run_id = f"web/{number}"
        intake = take_in(policy, run_id, direct=(), ledger=ledger, trigger="asset_triggered", now=clock.now)
        ledger.join_events(run_id, policy.name, clock.now)
        assert len(intake.events) == len(batch)
        assert intake.request is None
        seen = evaluate(
            policy,
            run_id=run_id,
            sources={"aws.cloudwatch": numbers},
            reader=target,
            store=store,
            memory={},
            now=clock.now,
        )
        actions += [one.action for one in seen.decisions if one.target == "web-1"]
        clock.pass_(seconds=30)
    assert set(actions) == {action}
