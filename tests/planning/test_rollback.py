"""The way back."""

import pytest

from setpoint.model import ChangeState, Followed, HealthVerdict, Outcome, Reason
from setpoint.planning.rollback import plan_rollback
from setpoint.testing.values import NOW, a_change, a_planned_change, a_policy, a_state

OUTCOME = Outcome(
    change_id="change-1",
    policy="web",
    run_id="run-1",
    target="web-1",
    verdict=HealthVerdict.DEGRADED,
    followed=Followed.ROLL_BACK,
    reasons=(Reason(code="health_degraded", text="p95 of latency went from 100 to 400"),),
    recorded_at=NOW,
)


def test_leads_back_to_where_it_stood():
    """The rollback is a change of its own in the same run: from after to before, with the harm as its reason."""
    harmful = a_change(4, 6)
    back = plan_rollback(harmful, a_state(desired=6), a_policy(), OUTCOME)

    assert (back.from_units, back.to_units, back.action) == (6, 4, "scale_in")
    assert (back.reverts, back.run_id, back.dry_run) == (harmful.change_id, "run-1", False)
    assert back.change_id != harmful.change_id
    assert "p95 of latency went from 100 to 400" in back.reason


def test_a_scale_in_is_taken_back_by_a_scale_out():
    """Taking capacity away is taken back by adding it."""
    assert plan_rollback(a_change(6, 4), a_state(desired=4), a_policy(), OUTCOME).action == "scale_out"


def test_a_retry_plans_the_same_rollback():
    """The identity comes from the change alone, so a crash in between does not roll back twice."""
    first, second = (plan_rollback(a_change(), a_state(desired=6), a_policy(), OUTCOME) for _ in range(2))

    assert first == second


def test_every_attempt_is_a_change_of_its_own():
    """A second attempt does the same under another identity, and that one is always the same too."""
    first, second, again = (plan_rollback(a_change(), a_state(desired=6), a_policy(), OUTCOME, n) for n in (1, 2, 2))

    assert second == again
    assert second.change_id != first.change_id
    assert second.model_copy(update={"change_id": first.change_id}) == first


@pytest.mark.parametrize(
    ("name", "change", "state", "policy", "code"),
    [
        ("never took effect", a_change(state=ChangeState.NO_OP), {"desired": 6}, {}, "not_effective"),
        ("refused", a_change(state=ChangeState.REFUSED), {"desired": 6}, {}, "not_effective"),
        ("back already", a_change(), {"desired": 4}, {}, "already_back"),
        ("a later change holds", a_change(), {"desired": 8}, {}, "superseded"),
        ("below today's least", a_change(), {"desired": 6}, {"limits": {"min": 5, "max": 10}}, "out_of_bounds"),
        ("below the provider's least", a_change(), {"desired": 6, "min_units": 5}, {}, "out_of_bounds"),
        (
            "a rollback itself",
            a_change(plan=a_planned_change(reverts="an earlier one")),
            {"desired": 6},
            {},
            "rollback_of_rollback",
        ),
    ],
)
def test_says_why_there_is_no_way_back(name, change, state, policy, code):
    """Each obstacle is a reason of its own, and never an error."""
    found = plan_rollback(change, a_state(**state), a_policy(**policy), OUTCOME)

    assert isinstance(found, Reason), name
    assert found.code == code, name
