"""A run's plan, and its portions."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.model import Action, Decision, Plan, Verdict
from setpoint.planning.plan import Chunk, chunks, make_plan
from setpoint.testing.values import NOW, SCOPE, a_decision, a_policy

TTL = timedelta(minutes=10)


def planned(*decisions: Decision) -> Plan:
    """The plan of one run of the default policy."""
    return make_plan(a_policy(), "run-1", decisions, NOW, TTL)


def fleet(outs: int, ins: int) -> tuple[Decision, ...]:
    """So many targets that scale out by two, and so many that scale in by one."""
    return (
        *(a_decision(f"out-{number:04}", 4, 6) for number in range(outs)),
        *(a_decision(f"in-{number:04}", 4, 3) for number in range(ins)),
    )


def test_plans_what_changes_and_nothing_else():
    """Held and quarantined targets are not in the plan; the rest is sorted, summed up, and expires."""
    held = a_decision("web-2", 4, 4)
    quarantined = a_decision("web-3", 4, 4, action=Action.QUARANTINE, raw_to_units=None, quality=Verdict.FAIL)
    plan = planned(a_decision("web-4", 9, 8), held, quarantined, a_decision("web-1", 4, 6))

    assert [(one.target, one.from_units, one.to_units) for one in plan.changes] == [("web-1", 4, 6), ("web-4", 9, 8)]
    assert plan.units_delta == 1
    assert (plan.created_at, plan.expires_at) == (NOW, NOW + TTL)
    assert {one.target_kind for one in plan.changes} == {SCOPE}


def test_a_plan_without_changes_is_a_plan():
    """A run that holds everything has an empty plan with a hash, and no portions."""
    plan = planned(a_decision("web-1", 4, 4))

    assert (plan.changes, plan.units_delta, chunks(plan)) == ((), 0, ())


def test_the_same_decisions_make_the_same_plan():
    """Order and time of planning do not touch the identities: a retry plans the same changes."""
    decisions = fleet(3, 2)
    later = make_plan(a_policy(), "run-1", decisions[::-1], NOW + TTL, TTL)

    assert (later.plan_id, later.hash, later.changes) == (
        planned(*decisions).plan_id,
        planned(*decisions).hash,
        planned(*decisions).changes,
    )


def test_another_run_has_another_plan():
    """What and why make the identity: the same change in another run is another change."""
    (mine,) = planned(a_decision()).changes
    (other,) = make_plan(a_policy(), "run-2", [a_decision(run_id="run-2")], NOW, TTL).changes

    assert mine.change_id != other.change_id


def test_a_plan_that_was_altered_is_refused():
    """A plan whose changes do not belong to its hash does not validate."""
    document = planned(a_decision()).to_json()
    document["changes"][0]["to_units"] = 40

    with pytest.raises(ValueError, match="altered after planning"):
        Plan.model_validate(document)


def test_refuses_decisions_that_cannot_be_one_plan():
    """A target decided twice and a decision of another run are all named at once."""
    with pytest.raises(ValueError, match=r"web-1: decided more than once.*db-1: decided in another run"):
        planned(a_decision(), a_decision(), a_decision("db-1", run_id="run-9"))


def test_a_few_changes_have_a_chunk_each():
    """Up to sixteen changes of a direction each have their own portion, scale-outs first."""
    portions = chunks(planned(*fleet(2, 16)))

    assert [len(one.changes) for one in portions] == [1] * 18
    assert [one.direction for one in portions] == [Action.SCALE_OUT] * 2 + [Action.SCALE_IN] * 16
    assert (portions[1].index, portions[1].of, portions[2].index, portions[2].of) == (1, 2, 0, 16)


def test_many_changes_are_spread_evenly():
    """A thousand changes make sixteen portions of about the same size."""
    portions = chunks(planned(*fleet(1000, 0)))

    assert sorted({len(one.changes) for one in portions}) == [62, 63]
    assert len(portions) == 16


def test_a_chunk_has_a_label_for_people():
    """One change is named with its capacities, several by the first of them."""
    single, *_ = chunks(planned(*fleet(1, 0)))
    many, *_ = chunks(planned(*fleet(3, 0)), max_chunks=1)

    assert single.label == "out-0000 4 → 6"
    assert many.label == "out-0000 and 2 more"


@given(outs=st.integers(0, 60), ins=st.integers(0, 60), most=st.integers(1, 20))
def test_every_change_is_in_exactly_one_chunk(outs, ins, most):
    """Portions hold every change once, in order, in one direction each, and survive the border between tasks."""
    plan = planned(*fleet(outs, ins))
    portions = chunks(plan, most)
    way = {Action.SCALE_OUT: outs, Action.SCALE_IN: ins}

    assert sorted(one.change_id for part in portions for one in part.changes) == sorted(
        one.change_id for one in plan.changes
    )
    for direction, count in way.items():
        sizes = [len(part.changes) for part in portions if part.direction is direction]
        assert len(sizes) == min(count, most)
        assert not sizes or max(sizes) - min(sizes) <= 1
    assert all(one.action is part.direction for part in portions for one in part.changes)
    assert all(Chunk.model_validate(part.to_json()) == part for part in portions)


def test_refuses_to_make_no_chunks():
    """At least one chunk is needed to hold anything."""
    with pytest.raises(ValueError, match="at least 1; got 0"):
        chunks(planned(a_decision()), 0)
