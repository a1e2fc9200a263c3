"""Events in at the queue, changes out at the API, on a real scheduler, triggerer and API server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from setpoint.lab.faults import FaultKind
from setpoint.lab.provision import client
from setpoint.model import Action, ChangeState, HealthVerdict
from setpoint.stack.errors import ApiError
from setpoint.testing.ledgers import begin_change
from setpoint.testing.values import a_planned_change

pytestmark = pytest.mark.live


def changes_of(live: Any, policy: str) -> list[Any]:
    """The changes recorded for a policy."""
    return list(live.ledger.changes_since(live.began, policy=policy))


def decisions_of(live: Any, policy: str) -> tuple[Any, ...]:
    """The decisions recorded for a policy."""
    return tuple(live.ledger.decisions_since(live.began, policy=policy))


def test_an_alarm_scales_out_and_the_outcome_is_recorded(live: Any) -> None:
    """CloudWatch alarm → SNS → SQS → inbox → run → SetDesiredCapacity → in service → outcome, with one call."""
    live.lab.client.flash_sale("alarm", factor=2.2, ramp_seconds=0.5, hold_seconds=3600)

    change = live.until(lambda: next(iter(changes_of(live, "alarm")), None), "a change of the alarmed fleet")
    outcome = live.until(lambda: live.ledger.outcome_of(change.change_id), "the change's outcome")

    assert (change.plan.action, change.plan.from_units, change.plan.to_units) == (Action.SCALE_OUT, 3, 6)
    assert live.ledger.change(change.change_id).state is ChangeState.SETTLED
    assert outcome.verdict in (HealthVerdict.IMPROVED, HealthVerdict.HEALTHY), outcome.reasons
    assert live.desired("alarm") == 6
    assert live.capacity_calls("alarm") == 1
    run = live.ledger.explain(change.plan.run_id)
    assert {event.event.kind for event in run.events} == {"cloudwatch.alarm"}


def test_a_plain_message_wakes_its_policy_and_hold_is_recorded(live: Any) -> None:
    """A JSON body addressed to a policy leads to a decision with a reason, although nothing changes."""
    live.send({"policy": "json", "id": "hello-1", "summary": "have a look"})

    decisions = live.until(lambda: decisions_of(live, "json"), "a decision")

    assert [one.action for one in decisions] == [Action.HOLD]
    assert decisions[0].reasons[0].text
    assert decisions[0].event_ids


def test_poison_is_rejected_with_a_reason_and_blocks_nothing(live: Any) -> None:
    """Not JSON, an unknown kind, an unknown policy: each in the rejects, and the message behind them is served."""
    live.send("this is not JSON {{ 7*7 }}")
    live.send({"surprise": True})
    live.send({"policy": "no-such-policy", "id": "nobody"})
    live.send({"policy": "poison", "id": "after-the-poison"})

    live.until(lambda: decisions_of(live, "poison"), "the message behind the poison")

    codes = {one.code for one in live.ledger.rejects(limit=50)}
    assert {"not_json", "unknown_kind", "unknown_policy"} <= codes
    assert all(one.text for one in live.ledger.rejects(limit=50))


def test_a_burst_is_accounted_for_to_the_last_event(live: Any) -> None:
    """Forty events in one burst, some of them twice: each is in exactly one run, and no run is left with work."""
    ids = [f"burst-{number}" for number in range(40)]
    for one in [*ids, *ids[:10]]:
        live.send({"policy": "burst", "id": one, "summary": one})

    def accounted() -> list[str]:
        runs = {one.run_id for one in decisions_of(live, "burst")}
        return sorted(
            one.event.summary for run in runs for one in live.ledger.events_of(run) if one.closed_at is not None
        )

    live.until(lambda: len(accounted()) >= len(ids), "all forty events to be closed", seconds=120)
    assert accounted() == sorted(ids)


def test_a_request_beyond_the_maximum_is_refused_before_a_task_runs(live: Any) -> None:
    """The trigger form's limits hold over REST: 10,000 of at most 20 is a 400 that says so."""
    with pytest.raises(ApiError) as refused:
        live.api.trigger("setpoint.manual", conf={"wanted_units": 10_000})

    assert refused.value.status == 400
    assert "20" in str(refused.value)
    assert decisions_of(live, "manual") == ()


def test_a_person_asks_for_a_capacity_through_the_api(live: Any) -> None:
    """A Dag run with conf does what it says, and the record names the reason."""
    run = live.api.trigger("setpoint.manual", conf={"wanted_units": 5, "reason": "quarter end"})
    ended = live.api.wait_for_run("setpoint.manual", run["dag_run_id"])

    assert ended["state"] == "success"
    assert live.desired("manual") == 5
    (decision,) = decisions_of(live, "manual")
    assert "quarter end" in decision.reasons[0].text


def test_posted_asset_events_wake_the_policy(live: Any) -> None:
    """An asset event over REST, with a request in its extra, is an event like any other."""
    live.api.post_asset_event("setpoint-posted", extra={"wanted_units": 4, "reason": "data has landed"})

    change = live.until(lambda: next(iter(changes_of(live, "posted")), None), "a change")

    assert change.plan.to_units == 4
    live.until(lambda: live.desired("posted") == 4, "the capacity in AWS")


def test_a_mixed_fleet_takes_several_branches_in_one_run(live: Any) -> None:
    """One target of a fleet is busy, the other quiet: one run scales one out and holds or scales in the other."""
    live.busy("mixed-a")
    live.send({"policy": "mixed", "id": "mixed-1"})

    decisions = live.until(
        lambda: decisions_of(live, "mixed") if live.desired("mixed-a") == 6 else None,
        "the busy target's change",
    )

    assert {one.target: one.action for one in decisions} == {
        "mixed-a": Action.SCALE_OUT,
        "mixed-b": Action.HOLD,
    }
    assert len({one.run_id for one in decisions}) == 1
    assert live.capacity_calls("mixed-b") == 0


def test_a_harmful_change_is_taken_back(live: Any) -> None:
    """Latency rises with every added instance, so the change is rolled back, and both are in the ledger."""
    live.lab.client.fault(FaultKind.BAD_CHANGE, "harm", latency_ms=400)
    live.lab.client.flash_sale("harm", factor=1.7, ramp_seconds=0.5, hold_seconds=3600)

    def rolled_back() -> Any:
        return next((one for one in changes_of(live, "harm") if one.plan.reverts), None)

    rollback = live.until(rolled_back, "the rollback", seconds=120)
    outcome = live.ledger.outcome_of(rollback.plan.reverts)
    assert outcome.verdict is HealthVerdict.DEGRADED
    live.until(lambda: live.desired("harm") == 3, "the old capacity in AWS")


def test_a_broken_policy_lists_its_mistakes_and_the_others_run(live: Any) -> None:
    """The import error names every mistake with its place; every other policy has its Dag."""
    errors = live.until(live.api.import_errors, "the import error of the broken policy")
    (told,) = (trace for file, trace in errors.items() if "problems" in file)

    for mistake in ("broken.yaml:6", "metrics.cpu.period", "scale.signal.metric", "scale.out.for", "feedback.after"):
        assert mistake in told
    assert "limits" in told
    assert "setpoint.alarm" in live.api.dag_ids()


def test_somebody_elses_dag_waits_for_a_metric(live: Any) -> None:
    """The deferrable sensor ends when the same rule as the strategy's holds."""
    run = live.api.trigger("theirs")
    live.busy("sensor")

    ended = live.api.wait_for_run("theirs", run["dag_run_id"])

    assert ended["state"] == "success"


def test_reconciliation_finishes_what_a_crash_left_and_reports_a_person(live: Any) -> None:
    """A change left ``applying`` ends as AWS says it did; a capacity changed by hand inside the bounds is reported."""
    run = live.api.trigger("setpoint.drift", conf={"wanted_units": 5, "reason": "so that there is a record"})
    live.api.wait_for_run("setpoint.drift", run["dag_run_id"])
    client("autoscaling", live.lab.url).set_desired_capacity(AutoScalingGroupName="drift", DesiredCapacity=7)
    crashed = a_planned_change("crash", 3, 5, policy="crash")
    begin_change(live.ledger, crashed, datetime.now(UTC) - timedelta(minutes=10))

    run = live.api.trigger("setpoint.reconcile")
    ended = live.api.wait_for_run("setpoint.reconcile", run["dag_run_id"])

    assert ended["state"] == "success"
    change = live.ledger.change(crashed.change_id)
    assert (change.state, change.reason.code) == (ChangeState.FAILED, "never_applied")
    assert live.desired("crash") == 3
    (finding,) = live.ledger.findings(policy="drift")
    assert (finding.kind, finding.expected_units, finding.actual_units) == ("changed_by_hand", 5, 7)
    assert live.desired("drift") == 7


def test_every_run_is_explained_to_the_end(live: Any) -> None:
    """Whatever ran above: each decision has a reason, and each effective change has an outcome or is being watched."""
    decisions = live.ledger.decisions_since(live.began)
    assert decisions
    assert all(one.reasons and one.reasons[0].text and one.reasons[0].code for one in decisions)
    json.dumps([one.to_json() for one in decisions])
