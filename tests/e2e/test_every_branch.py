"""Every branch of a policy's Dag, end to end: from a person's trigger to the record in the ledger."""

from __future__ import annotations

from typing import Any

from setpoint.model import Action, ChangeState, Followed, HealthVerdict


def test_a_busy_fleet_is_scaled_out_and_judged(fleet: Any) -> None:
    """CPU above the threshold adds two instances with one call, waits for them, and records that health is fine."""
    fleet.cpu = 90
    fleet.live()
    run = fleet.run()

    assert (fleet.desired, len(fleet.capacity_calls)) == (5, 1)
    (change,) = fleet.ledger.changes_of(run)
    assert (change.state, change.reason.code) == (ChangeState.SETTLED, "in_service")
    outcome = fleet.ledger.outcome_of(change.change_id)
    assert outcome.verdict is HealthVerdict.HEALTHY, outcome.reasons
    assert outcome.followed is Followed.KEEP
    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.from_units, decision.to_units) == (Action.SCALE_OUT, 3, 5)
    assert fleet.state == "success"


def test_a_quiet_fleet_is_scaled_in(fleet: Any) -> None:
    """CPU below the threshold takes one instance away."""
    fleet.cpu = 10
    fleet.live()
    run = fleet.run()

    assert fleet.desired == 2
    (change,) = fleet.ledger.changes_of(run)
    assert change.state is ChangeState.SETTLED
    assert fleet.ledger.outcome_of(change.change_id) is not None


def test_an_ordinary_fleet_is_held_with_a_reason(fleet: Any) -> None:
    """Between the thresholds nothing changes, and the ledger says why."""
    fleet.live()
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.reasons[0].code) == (Action.HOLD, "within_thresholds")
    assert (fleet.desired, fleet.capacity_calls) == (3, [])
    assert fleet.task_states[("hold", -1)] == "success"
    assert fleet.task_states[("quarantine", -1)] == "skipped"


def test_zeros_are_quarantined_and_nothing_changes(fleet: Any) -> None:
    """A series of nothing but zeros is an outage: the batch is kept aside, the fleet is left alone."""
    fleet.cpu = 0
    fleet.live()
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert decision.action is Action.QUARANTINE
    assert "zero" in decision.reasons[0].text
    assert (fleet.desired, fleet.capacity_calls) == (3, [])
    assert fleet.task_states[("quarantine", -1)] == "success"


def test_no_metrics_at_all_change_nothing(fleet: Any) -> None:
    """An empty answer is an answer: quarantine, never a zero."""
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert decision.action is Action.QUARANTINE
    assert fleet.capacity_calls == []


def test_a_harmful_change_is_taken_back(fleet: Any) -> None:
    """Latency gets worse once the new instances are there, so the old capacity comes back, by a change of its own."""

    def overload(one: Any) -> None:
        one.latency = 100.0 if one.desired == 3 else 900.0

    fleet.cpu = 90
    fleet.live(overload)
    run = fleet.run()

    change, rollback = fleet.ledger.changes_of(run)
    outcome = fleet.ledger.outcome_of(change.change_id)
    assert (outcome.verdict, outcome.followed) == (HealthVerdict.DEGRADED, Followed.ROLL_BACK)
    assert (rollback.plan.reverts, rollback.state) == (change.change_id, ChangeState.SETTLED)
    assert (fleet.desired, len(fleet.capacity_calls)) == (3, 2)


def test_a_dry_run_decides_and_changes_nothing(fleet: Any) -> None:
    """A dry run records what would have happened and makes no call."""
    fleet.cpu = 90
    fleet.live()
    run = fleet.run(dry_run=True)

    (decision,) = fleet.ledger.decisions_of(run)
    (change,) = fleet.ledger.changes_of(run)
    assert (decision.action, decision.dry_run) == (Action.SCALE_OUT, True)
    assert (change.state, change.reason.code) == (ChangeState.REFUSED, "dry_run")
    assert (fleet.desired, fleet.capacity_calls) == (3, [])


def test_a_person_asks_for_a_capacity(fleet: Any) -> None:
    """The wanted capacity of the trigger form is what the fleet gets, with the person's reason on record."""
    fleet.live()
    run = fleet.run(wanted_units=5, reason="launch party")

    (decision,) = fleet.ledger.decisions_of(run)
    assert fleet.desired == 5
    assert "launch party" in decision.reasons[0].text


def test_the_cooldown_survives_the_run(fleet: Any) -> None:
    """Right after a change the same target rests, although the metric still asks for more."""
    fleet.cpu = 90
    fleet.live()
    fleet.run()
    second = fleet.run()

    (decision,) = fleet.ledger.decisions_of(second)
    assert decision.action is Action.HOLD
    assert {one.code for one in decision.reasons} & {"cooldown"}
    assert len(fleet.capacity_calls) == 1


def test_hostile_text_stays_text(fleet: Any) -> None:
    """A reason full of template syntax and markup is recorded to the letter and evaluated by nobody."""
    fleet.live()
    text = "{{ 7 * 191 }} <script>alert(1)</script> $(touch pwned) '; drop table x; --"
    run = fleet.run(wanted_units=4, reason=text)

    (decision,) = fleet.ledger.decisions_of(run)
    assert text in decision.reasons[0].text
    assert "1337" not in decision.reasons[0].text
