"""The verdict on a change, and what follows."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.feedback.judge import Measurement, judge_health
from setpoint.guards.reasons import REASONS
from setpoint.model import Activity, ActivityStatus, Change, ChangeState, Followed, HealthVerdict, Outcome, Reason
from setpoint.policy.schema import FeedbackConfig, OnHarm
from setpoint.testing.values import NOW, a_change, a_health, a_planned_change

CONFIG = FeedbackConfig.model_validate(
    {"after": "5m", "healthy": {"latency": {"max": 250}, "errors": {"max": 1}}, "on_degraded": "roll_back"}
)
GOOD = {"latency": Measurement(200, 5), "errors": Measurement(0.5, 5)}
LATE_BEFORE = {**GOOD, "latency": Measurement(400, 5)}
SLOW = {**GOOD, "latency": Measurement(400, 5)}
NO_CAPACITY = "We currently do not have sufficient m5.large capacity in the Availability Zone you requested"


def activity(status: ActivityStatus, message: str = "", seconds: int = 0) -> Activity:
    """One scaling activity that began when the change was applied."""
    return Activity(
        activity_id=f"activity-{seconds}",
        status=status,
        description="Launching a new EC2 instance",
        status_message=message,
        started_at=NOW - timedelta(minutes=5) + timedelta(seconds=seconds),
    )


FAILED = activity(ActivityStatus.FAILED, NO_CAPACITY)
ARRIVING = activity(ActivityStatus.IN_PROGRESS)


def judged(change: Change | None = None, **fields: Any) -> Outcome:
    """Judge a settled scale-out from 4 to 6 with good health, unless told otherwise."""
    arguments: dict[str, Any] = {
        "before": GOOD,
        "after": GOOD,
        "provider": a_health(),
        "superseded_by": None,
        "now": NOW,
        **fields,
    }
    return judge_health(arguments.pop("feedback", CONFIG), change=change or a_change(), **arguments)


def codes(outcome: Outcome) -> list[str]:
    """The codes of an outcome's reasons, in their order."""
    return [one.code for one in outcome.reasons]


@pytest.mark.parametrize(
    ("name", "given", "verdict", "first"),
    [
        ("all healthy", {}, "healthy", "health_healthy"),
        ("one improved", {"before": LATE_BEFORE}, "improved", "health_improved"),
        ("one degraded", {"after": SLOW}, "degraded", "health_degraded"),
        ("degraded wins over missing", {"after": {"latency": SLOW["latency"]}}, "degraded", "health_degraded"),
        ("missing wins over improved", {"before": LATE_BEFORE, "after": {"latency": GOOD["latency"]}}, "inconclusive",
         "health_inconclusive"),
        ("all missing", {"before": {}, "after": {}}, "inconclusive", "health_inconclusive"),
        ("more unhealthy units", {"provider": a_health(unhealthy_units=1)}, "degraded", "more_unhealthy"),
        ("a launch that failed", {"provider": a_health(5, activities=(FAILED,))}, "inconclusive", "launch_failed"),
        ("still arriving", {"provider": a_health(5, activities=(ARRIVING,))}, "inconclusive", "still_arriving"),
        ("short, and nobody knows why", {"provider": a_health(5)}, "inconclusive", "not_in_service"),
        ("a failed launch that was made good", {"provider": a_health(6, activities=(FAILED,))}, "healthy",
         "health_healthy"),
        ("the provider is silent, but it was in service", {"provider": None}, "healthy", "health_healthy"),
    ],
)  # fmt: skip
def test_the_verdict_table(name, given, verdict, first):
    """The worst evidence decides, and its reason comes first."""
    outcome = judged(**given)

    assert (outcome.verdict.value, codes(outcome)[0]) == (verdict, first), name


def test_an_outcome_carries_its_evidence():
    """Identity, readings, the provider's word and the time are all there."""
    outcome = judged()

    assert (outcome.change_id, outcome.target) == (a_change().change_id, "web-1")
    assert (outcome.policy, outcome.run_id) == ("web", "run-1")
    assert [one.metric for one in outcome.readings] == ["latency", "errors"]
    assert (outcome.provider, outcome.recorded_at) == (a_health(), NOW)
    assert Outcome.model_validate(outcome.to_json()) == outcome


def test_a_harmful_change_is_taken_back():
    """Degraded health is rolled back when the policy says so, and the last reason says what follows."""
    outcome = judged(after=SLOW)

    assert outcome.followed is Followed.ROLL_BACK
    assert outcome.reasons[-1].text == "taken back to 4: feedback.on_degraded is roll_back"


def test_a_harmful_change_stays_where_the_policy_keeps_it():
    """A policy that keeps says so in the outcome."""
    outcome = judged(after=SLOW, feedback=CONFIG.model_copy(update={"on_degraded": OnHarm.KEEP}))

    assert (outcome.verdict, outcome.followed) == (HealthVerdict.DEGRADED, Followed.KEEP)
    assert codes(outcome)[-1] == "kept_by_policy"


def test_a_rollback_is_not_rolled_back():
    """A change that took another one back stays, whatever health says."""
    outcome = judged(a_change(plan=a_planned_change(reverts="an earlier one")), after=SLOW)

    assert (outcome.followed, codes(outcome)[-1]) == (Followed.KEEP, "rollback_of_rollback")


def test_a_failed_launch_is_quoted_and_kept():
    """Capacity that never came cannot have hurt; the provider's own message is in the reasons."""
    late = {"state": ChangeState.SETTLED, "reason": Reason(code="launch_failed", text="no capacity")}
    outcome = judged(a_change(**late), after=SLOW, provider=a_health(4, activities=(FAILED,)))

    assert (outcome.verdict, outcome.followed) == (HealthVerdict.DEGRADED, Followed.KEEP)
    assert codes(outcome) == ["health_degraded", "health_healthy", "launch_failed", "capacity_never_came"]
    assert NO_CAPACITY in outcome.reasons[2].text


def test_capacity_that_came_in_part_is_taken_back():
    """When some of the capacity came and health got worse, the change is taken back."""
    late = {"state": ChangeState.SETTLED, "reason": Reason(code="launch_failed", text="no capacity")}
    outcome = judged(a_change(**late), after=SLOW, provider=a_health(5, activities=(FAILED,)))

    assert outcome.followed is Followed.ROLL_BACK


def test_capacity_that_came_and_died_is_taken_back():
    """Capacity that was in service once is to blame for harm, also when it is gone again."""
    outcome = judged(after=SLOW, provider=a_health(4, activities=(ARRIVING,)))

    assert (outcome.verdict, outcome.followed) == (HealthVerdict.DEGRADED, Followed.ROLL_BACK)


def test_a_scale_in_arrives_by_leaving():
    """Scaling in is complete when no more than the wanted capacity is in service."""
    assert judged(a_change(6, 4), provider=a_health(4)).verdict is HealthVerdict.HEALTHY
    stuck = judged(a_change(6, 4), provider=a_health(6, activities=(FAILED,)))

    assert (stuck.verdict, codes(stuck)[0]) == (HealthVerdict.INCONCLUSIVE, "terminate_failed")


def test_units_that_were_unhealthy_before_are_not_blamed_on_the_change():
    """Only more unhealthy units than before count, and only when the number before is known."""
    sick = a_health(unhealthy_units=2)

    assert judged(a_change(unhealthy_before=2), provider=sick).verdict is HealthVerdict.HEALTHY
    assert judged(a_change(result=None), provider=sick).verdict is HealthVerdict.HEALTHY
    assert judged(a_change(unhealthy_before=1), provider=sick).followed is Followed.ROLL_BACK


@pytest.mark.parametrize("state", [ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED, ChangeState.APPLYING])
def test_a_change_without_effect_has_no_effect_to_judge(state):
    """What changed nothing is inconclusive and kept, however bad health is."""
    outcome = judged(a_change(state=state), after=SLOW)

    assert (outcome.verdict, outcome.followed) == (HealthVerdict.INCONCLUSIVE, Followed.KEEP)
    assert codes(outcome) == ["not_effective"]


def test_a_change_overtaken_by_another_is_not_judged():
    """A later change of the same target blurs the evidence: inconclusive, kept."""
    outcome = judged(after=SLOW, superseded_by=a_change(6, 8))

    assert (outcome.verdict, outcome.followed) == (HealthVerdict.INCONCLUSIVE, Followed.KEEP)
    assert codes(outcome) == ["superseded"]


def test_nobody_saw_it_arrive():
    """Without the provider's word and without a record of arrival, healthy metrics do not make a healthy outcome."""
    waiting = a_change(state=ChangeState.APPLIED, reason=Reason(code="applied", text="the provider took the call"))
    outcome = judged(waiting, provider=None)

    assert (outcome.verdict, codes(outcome)[0]) == (HealthVerdict.INCONCLUSIVE, "arrival_unknown")


MEASURED = st.dictionaries(
    st.sampled_from(["latency", "errors", "unasked"]),
    st.builds(Measurement, st.none() | st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 6)),
)


@given(
    before=MEASURED,
    after=MEASURED,
    state=st.sampled_from(list(ChangeState)),
    keep=st.booleans(),
    in_service=st.none() | st.integers(0, 9),
    unhealthy=st.integers(0, 2),
    activities=st.lists(st.sampled_from([FAILED, ARRIVING]), max_size=3),
    overtaken=st.booleans(),
)
def test_what_holds_for_every_outcome(before, after, state, keep, in_service, unhealthy, activities, overtaken):
    """Every change has one outcome with documented reasons; it is deterministic, and harm alone is taken back."""
    arguments: dict[str, Any] = {
        "before": before,
        "after": after,
        "feedback": CONFIG.model_copy(update={"on_degraded": OnHarm.KEEP if keep else OnHarm.ROLL_BACK}),
        "provider": None
        if in_service is None
        else a_health(in_service, unhealthy_units=unhealthy, activities=tuple(activities)),
        "superseded_by": a_change(6, 8) if overtaken else None,
    }
    outcome = judged(a_change(state=state), **arguments)
    short = in_service is not None and in_service < 6
    missing = any(after.get(metric, Measurement(None, 0)).samples < 3 for metric in CONFIG.healthy)

    assert outcome == judged(a_change(state=state), **arguments)
    assert all(one.code in REASONS and one.text.strip() for one in outcome.reasons)
    if missing or short or overtaken or not state.effective:
        assert outcome.verdict in (HealthVerdict.INCONCLUSIVE, HealthVerdict.DEGRADED)
    if outcome.followed is Followed.ROLL_BACK:
        assert outcome.verdict is HealthVerdict.DEGRADED
        assert state.effective
        assert not keep
        assert not overtaken
