"""Failures of other systems that began with a trusted number: a change made twice, on top of another, or by a dry run.

Each goes through the real Dag, and what is asserted is what AWS was asked to do, beside what the ledger says of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events.intake import event_kinds
from setpoint.events.queues import QueueRef
from setpoint.events.take_in import Message, take_in
from setpoint.lab.faults import FaultKind
from setpoint.model import Action, ChangeState, Followed
from setpoint.policy.loader import load_policy

BUSY, ORDINARY, QUIET = 90.0, 50.0, 10.0
POLICY: dict[str, Any] = {
    "quality": {"cpu": {"between": [0, 100]}},
    "scale": {
        "strategy": "threshold",
        "signal": {"metric": "cpu", "aggregate": "mean"},
        "out": {"above": 70, "for": "3 of 5", "add": 2},
        "in": {"below": 30, "for": "10 of 10", "remove": 1},
    },
    "limits": {"min": 1, "max": 6, "cooldown": {"out": "1m", "in": "1m"}},
    "feedback": {"after": "2s", "in_service_timeout": "30s", "healthy": {"cpu": {"max": 95}}, "min_samples": 1},
}


def steady(value: float) -> Callable[[range], Any]:
    """A series that wavers a little around a value."""
    return lambda seconds: [(at, value + at % 7 * 0.1) for at in seconds]


@pytest.fixture
def watched(fleet: Any, endpoint: Any) -> Any:
    """A fleet of 3 whose CPU the endpoint tells: busy, unless a test says otherwise."""
    fleet.policy(metrics={"cpu": endpoint.metric("cpu")}, **POLICY)
    endpoint.usual = {"cpu": steady(BUSY)}
    return fleet


@pytest.fixture
def faulty(watched: Any) -> Iterator[Any]:
    """The same fleet in an AWS with faults, which end with the test: others share that AWS."""
    yield watched
    watched.lab.client.remove_faults()


def codes(decision: Any) -> list[str]:
    """The codes of a decision's reasons, in their order."""
    return [one.code for one in decision.reasons]


def held(fleet: Any, run: str) -> Any:
    """The one decision of a run that was to change nothing, and changed nothing."""
    (decision,) = fleet.ledger.decisions_of(run)
    assert decision.action is Action.HOLD, decision.reasons
    assert fleet.ledger.changes_of(run) == ()
    return decision


@pytest.mark.parametrize("cpu", [BUSY, QUIET, ORDINARY])
@pytest.mark.parametrize("limits", [{"min": 1, "max": 2}, {"min": 5, "max": 6}], ids=["above", "below"])
def test_nomad_autoscaler_845_sokar_98_a_dry_run_outside_the_bounds(
    watched: Any, endpoint: Any, cpu: float, limits: dict[str, int]
) -> None:
    """nomad-autoscaler PR#845, sokar#98: a dry run changed what stood outside its bounds, to bring it back.

    nomad-autoscaler#624: and of what it would have done it said nothing.
    """
    endpoint.usual = {"cpu": steady(cpu)}
    watched.policy(metrics={"cpu": endpoint.metric("cpu")}, **{**POLICY, "limits": limits}, dry_run=True)
    run = watched.run()

    assert (watched.desired, watched.capacity_calls) == (3, [])
    (decision,) = watched.ledger.decisions_of(run)
    assert decision.dry_run
    changes = watched.ledger.changes_of(run)
    assert len(changes) == decision.action.changes
    assert all((one.state, one.reason.code) == (ChangeState.REFUSED, "dry_run") for one in changes)
    if (cpu, limits["min"]) in ((BUSY, 5), (QUIET, 1)):
        assert decision.to_units == {5: 5, 1: 2}[limits["min"]], "what it would have done is on record"


def test_cloud_custodian_7064_a_second_attempt_keeps_the_size_there_was(faulty: Any) -> None:
    """cloud-custodian#7064: a second run saved the size that the first one had set as the one to go back to.

    Here the first attempt's call takes effect and its answer is lost, so the next one finds the new size; the change
    then does harm, and what comes back is the size there was before either.
    """
    faulty.cpu, faulty.latency = BUSY, 100.0
    faulty.policy(limits={"min": 1, "max": 6})
    faulty.live(lambda one: setattr(one, "latency", 100.0 if one.desired == 3 else 900.0))
    faulty.lab.client.fault(FaultKind.LOST_ANSWER, actions=["SetDesiredCapacity"], times=1, delay_seconds=15)
    run = faulty.run()

    change, rollback = faulty.ledger.changes_of(run)
    assert (change.plan.from_units, change.plan.to_units) == (3, 5)
    assert change.reason.code == "in_service"
    assert faulty.ledger.outcome_of(change.change_id).followed is Followed.ROLL_BACK
    assert (rollback.plan.to_units, rollback.state) == (3, ChangeState.SETTLED)
    assert (faulty.desired, len(faulty.capacity_calls)) == (3, 2)


def test_nomad_autoscaler_610_one_breach_is_scaled_for_once(watched: Any, woken_by_asset: None) -> None:
    """nomad-autoscaler#610: one breach, evaluated twice in a row, was scaled for twice.

    Here it comes twice as well, and a third time after it was acted on; and a second run looks at it.
    """
    listen(watched)
    alarm = breach(watched)
    assert fates(watched, alarm, alarm) == ["accepted", "duplicate"]
    first = watched.run()
    assert fates(watched, alarm) == ["duplicate"]
    second = watched.run()

    assert (watched.desired, len(watched.capacity_calls)) == (5, 1)
    assert len(watched.ledger.events_of(first)) == 1
    assert (watched.ledger.events_of(second), watched.ledger.decisions_of(second)) == ((), ())


@pytest.mark.parametrize(("process", "cpu"), [("Launch", BUSY), ("Terminate", QUIET)])
def test_nomad_autoscaler_911_1290_what_the_provider_will_refuse_is_not_begun(
    watched: Any, endpoint: Any, process: str, cpu: float
) -> None:
    """nomad-autoscaler#911, #1290: nodes were drained for a scale-in that AWS then refused: Terminate was suspended."""
    watched.autoscaling.suspend_processes(AutoScalingGroupName=watched.name, ScalingProcesses=[process])
    endpoint.usual = {"cpu": steady(cpu)}
    decision = held(watched, watched.run())

    assert codes(decision)[0] == "operation_in_progress"
    assert process in decision.reasons[0].text
    assert (watched.desired, watched.capacity_calls) == (3, [])


def test_nomad_autoscaler_597_an_instance_refresh_is_not_disturbed(watched: Any) -> None:
    """nomad-autoscaler#597: scaled in the middle of an instance refresh, the group was refreshed and scaled at once."""
    watched.autoscaling.suspend_processes(AutoScalingGroupName=watched.name, ScalingProcesses=["InstanceRefresh"])
    refresh = watched.autoscaling.start_instance_refresh(AutoScalingGroupName=watched.name)["InstanceRefreshId"]
    decision = held(watched, watched.run())

    assert codes(decision)[0] == "operation_in_progress"
    assert refresh in decision.reasons[0].text
    assert watched.capacity_calls == []


def test_containers_roadmap_2135_one_policy_does_not_restart_the_rest_of_another(
    watched: Any, endpoint: Any, policies: Any
) -> None:
    """containers-roadmap#2135: the policies of a service reset each other's cooldown, and its capacity went round.

    Here the rest belongs to the target: the second policy waits for the first one's change, and its waiting, however
    often, does not make the rest of either longer.
    """
    first = watched.run()
    (change,) = watched.ledger.changes_of(first)
    target = (watched.name,)
    kind = change.plan.target_kind
    changed_at = watched.ledger.memory(watched.name, target, kind, datetime.now(UTC))[watched.name].last_change_at
    endpoint.usual = {"cpu": steady(QUIET)}
    name, watched.name = watched.name, f"{watched.name}-other"
    try:
        watched.policy(
            metrics={"cpu": endpoint.metric("cpu")},
            targets={"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [name]},
            **POLICY,
        )
        decisions = [held(watched, watched.run()) for _ in range(2)]
    finally:
        (policies / f"{watched.name}.yaml").unlink(missing_ok=True)
        watched.name = name

    assert all("cooldown" in codes(one) for one in decisions)
    memory = watched.ledger.memory(f"{name}-other", target, kind, datetime.now(UTC))[name]
    assert memory.last_change_at == changed_at
    assert (watched.desired, len(watched.capacity_calls)) == (5, 1)


def test_karpenter_3072_3080_a_launch_that_fails_is_not_asked_for_again(faulty: Any) -> None:
    """karpenter#3072, #3080: a launch that could not succeed was tried again and again.

    Here it ends the wait at once with the provider's words, is judged, and asks for no more on top of what is missing.
    """
    faulty.lab.client.fault(FaultKind.LAUNCH_FAILURE)
    first = faulty.run()
    second = faulty.run()

    (change,) = faulty.ledger.changes_of(first)
    outcome = faulty.ledger.outcome_of(change.change_id)
    assert change.reason.code == "launch_failed", change.reason
    assert outcome is not None
    assert "cooldown" in codes(held(faulty, second))
    assert len(faulty.capacity_calls) == 1


def test_argo_events_3326_850_events_in_rapid_succession(watched: Any, woken_by_asset: None) -> None:
    """argo-events#3326: of events in rapid succession some were lost; #850: some came twice.

    argo-events#1765, st2#3720: a storm started as many runs. Here each is on record once, and one run is about all.
    """
    listen(watched)
    alarms = [breach(watched, second) for second in range(40)]
    assert fates(watched, *alarms, *alarms) == ["accepted"] * 40 + ["duplicate"] * 40
    run = watched.run()

    assert len(watched.ledger.events_of(run)) == 40
    assert not watched.ledger.take_events(watched.name, "another", datetime.now(UTC))
    assert (watched.desired, len(watched.capacity_calls)) == (5, 1)


def test_keda_5577_the_decision_names_what_woke_it(watched: Any, woken_by_asset: None) -> None:
    """keda#5577, cluster-autoscaler#2451: nobody could tell which trigger it was, nor look it up the next day."""
    listen(watched)
    fates(watched, breach(watched))
    run = watched.run()

    (change,) = watched.ledger.changes_of(run)
    told = watched.ledger.explain(change.change_id)
    assert told is not None
    (event,) = watched.ledger.events_of(run)
    assert event.event.payload["alarm"] == f"{watched.name}-cpu-high"
    (decision,) = watched.ledger.decisions_of(run)
    assert decision.event_ids == (event.event.event_id,)
    assert event.event.event_id in told.model_dump_json()


def test_orquesta_113_tidying_up_does_not_make_a_failed_run_a_good_one(
    watched: Any, endpoint: Any, woken_by_asset: None
) -> None:
    """orquesta#113: with a clean-up step behind it, a workflow that had failed ended as succeeded."""
    listen(watched)
    fates(watched, breach(watched))
    endpoint.usual = {"cpu": lambda seconds: (401, {"error": "the token has expired"})}
    watched.run()

    assert watched.task_states[("close_run", -1)] in ("success", "failed"), "it ran"
    assert watched.state == "failed"
    endpoint.usual = {"cpu": steady(BUSY)}
    again = watched.run()
    assert len(watched.ledger.events_of(again)) == 1, "what the failed run had taken is the next one's"
    assert watched.desired == 5


def listen(fleet: Any) -> None:
    """The fleet's policy listens to alarms of its group."""
    file = fleet.policies / f"{fleet.name}.yaml"
    alarms = {"kind": "cloudwatch.alarm", "queue": "events", "alarm": f"{fleet.name}-*"}
    document = json.dumps({"events": [alarms]})
    file.write_text(f"{file.read_text()}\ntriggers: {document}\n")


def breach(fleet: Any, second: int = 0) -> str:
    """An alarm of the group, as CloudWatch publishes it; each second another one."""
    now = datetime.now(UTC).replace(microsecond=0)
    body = {
        "AlarmName": f"{fleet.name}-cpu-high",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": f"{now:%FT%T}.{second:03d}+0000",
        "AlarmArn": f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{fleet.name}-cpu-high",
        "Trigger": {
            "MetricName": "CPUUtilization",
            "Namespace": "AWS/EC2",
            "Dimensions": [{"value": fleet.name, "name": "AutoScalingGroupName"}],
        },
    }
    return json.dumps(body)


def fates(fleet: Any, *bodies: str) -> list[str]:
    """Take messages in as a queue's stream does, each delivery with an id of its own; says what became of each."""
    now = datetime.now(UTC)
    taken = take_in(
        [Message(f"{now.timestamp()}-{number}", body) for number, body in enumerate(bodies)],
        inbox=fleet.ledger,
        kinds=event_kinds(),
        policies=[load_policy(fleet.policies / f"{fleet.name}.yaml").policy],
        queue=QueueRef(connection="aws_default", region="eu-west-1", queue="events"),
        source="queue",
        now=now,
    )
    return [one.fate for one in taken.receipts]
