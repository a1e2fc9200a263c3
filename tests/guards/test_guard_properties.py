"""What holds for every fleet, every batch and every policy."""

import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from setpoint.guards.bounds import Bounds
from setpoint.guards.decide import decide
from setpoint.guards.memory import TargetMemory
from setpoint.guards.reasons import REASONS
from setpoint.guards.recheck import recheck
from setpoint.guards.unjudged import DEAD_AFTER
from setpoint.model import Action, Decision, Operation, PlannedChange, Request, Verdict
from setpoint.model.streak import Streak
from setpoint.policy.schema import UntilJudged
from setpoint.testing.values import NOW, a_policy, a_report, a_signal, a_state

TARGETS = ("web-1", "web-2", "web-3")
METRICS = ("cpu", "cpu_agent", "errors")
UNITS = st.integers(0, 30)
STEP = st.integers(1, 12) | st.sampled_from(["10%", "50%", "200%"])
VERDICTS = st.sampled_from(list(Verdict))
POINTS = st.lists(st.none() | st.floats(0, 100), max_size=8) | st.sampled_from([[90.0] * 6, [5.0] * 6])
THEN = st.just("hold") | st.builds(
    lambda word, units: {word: units}, st.sampled_from(["capacity", "keep_if_higher"]), UNITS
)
GUARDS = st.fixed_dictionaries(
    {},
    optional={
        "scale_in_needs": st.sampled_from(
            [
                [{"metric": "cpu_agent", "agrees_with": "cpu", "within": "10%"}],
                [{"metric": "cpu_agent", "below": 40, "for": "2 of 3"}],
            ]
        ),
        "no_scale_in_while": st.just([{"metric": "errors", "above": 5, "for": "1 of 3"}]),
    },
)
AGO = st.none() | st.integers(-120, 2400)


@st.composite
def policies(draw):
    """Policies with any bounds, steps, cooldowns and rules."""
    low, high = sorted((draw(UNITS), draw(UNITS)))
    cpu = a_policy().to_json()["metrics"]["cpu"]
    return a_policy(
        metrics=dict.fromkeys(METRICS, cpu),
        quality={"cpu": {"on_degraded": draw(st.sampled_from(["hold", "hold_scale_in"]))}},
        scale={
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "p90"},
            "out": {"above": 70, "for": "2 of 4", "add": draw(STEP)},
            "in": {"below": 30, "for": "3 of 4", "remove": draw(STEP)},
        },
        limits={
            "min": low,
            "max": high,
            "degraded_step": draw(st.integers(1, 5) | st.sampled_from(["1%", "50%", "100%"])),
            "max_step": draw(st.fixed_dictionaries({}, optional={"out": STEP, "in": STEP})),
            "cooldown": {"out": f"{draw(st.integers(0, 300))}s", "in": f"{draw(st.integers(0, 900))}s"},
        },
        feedback={
            "after": f"{draw(st.integers(3, 10))}m",
            "in_service_timeout": f"{draw(st.integers(0, 10))}m",
            "healthy": {"cpu": {"max": 90}},
            "until_judged": draw(st.sampled_from(["hold", "hold_scale_in"])),
        },
        guards=draw(GUARDS),
        fallback={"after": draw(st.integers(1, 4)), "then": draw(THEN)},
    )


@st.composite
def fleets(draw):
    """Everything a run may find: states, memory, verdicts and signals of three targets, any of them missing."""
    states, memory, verdicts, signals, streaks = {}, {}, {}, [], {}
    for target in TARGETS:
        if draw(st.integers(0, 9)):
            low, high = sorted((draw(UNITS), draw(UNITS)))
            blocks = draw(st.sampled_from([(), ("scale_out",), ("scale_in",), ("scale_out", "scale_in")]))
            operations = (Operation(kind="refresh", detail="in progress", blocks=blocks),) if blocks else ()
            states[target] = a_state(target, draw(UNITS), min_units=low, max_units=high, operations=operations)
        out_ago, in_ago = draw(AGO), draw(AGO)
        memory[target] = TargetMemory(
            target=target,
            last_out_at=None if out_ago is None else NOW - timedelta(seconds=out_ago),
            last_in_at=None if in_ago is None else NOW - timedelta(seconds=in_ago),
            open_change_id=draw(st.sampled_from([None, None, None, "other"])),
            last_from_units=draw(st.none() | UNITS),
            unjudged_change_id=None if out_ago is in_ago is None else draw(st.sampled_from([None, "another"])),
        )
        if draw(st.integers(0, 9)):
            verdicts[target] = {metric: draw(VERDICTS) for metric in METRICS if draw(st.integers(0, 9))}
        for metric, aggregate in (("cpu", "p90"), ("cpu", "mean"), ("cpu_agent", "mean"), ("errors", "mean")):
            if draw(st.integers(0, 9)):
                signals.append(a_signal(draw(POINTS), target, metric=metric, aggregate=aggregate))
        if failures := draw(st.integers(0, 5)):
            streaks[target] = Streak(target=target, failures=failures, since=NOW, window_end=NOW)
    return {
        "states": states,
        "memory": memory,
        "report": a_report(
            verdicts,
            draw(st.sampled_from([(), (), (), ("wrong columns",)])),
            draw(st.sampled_from([False, False, True])),
        ),
        "signals": signals,
        "streaks": streaks,
        "request": draw(st.none() | st.builds(Request, wanted_units=st.none() | UNITS)),
        "pulled_at": NOW - timedelta(seconds=draw(st.integers(-30, 900))),
    }


def decided(policy, fleet) -> tuple[Decision, ...]:
    """Decide about all three targets."""
    return decide(policy, run_id="run-1", targets=TARGETS, now=NOW, **fleet)


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_every_target_gets_one_decision_with_known_reasons(policy, fleet):
    """Nothing raises; every target is answered once, in order, with reasons that are documented and not blank."""
    decisions = decided(policy, fleet)

    assert [one.target for one in decisions] == list(TARGETS)
    for one in decisions:
        reasons = (*one.reasons, *(constraint.reason for constraint in one.constraints))
        assert all(reason.code in REASONS and reason.text.strip() for reason in reasons)


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_a_change_says_where_from_and_where_to(policy, fleet):
    """The action, the capacities and the constraints of a decision agree with each other."""
    for one in decided(policy, fleet):
        if one.action.changes:
            assert (one.to_units > one.from_units) is (one.action is Action.SCALE_OUT)
            assert one.to_units != one.from_units
        else:
            assert one.to_units == one.from_units
        steps = [one.raw_to_units, *(constraint.to_units for constraint in one.constraints)]
        assert all(constraint.from_units == before for constraint, before in zip(one.constraints, steps, strict=False))
        assert one.raw_to_units is None or steps[-1] == one.to_units


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_no_change_leads_out_of_the_bounds(policy, fleet):
    """A change ends inside the bounds of policy and provider; from outside it may only come nearer to them."""
    for one in decided(policy, fleet):
        if one.action.changes:
            bounds = Bounds.of(policy.limits, fleet["states"][one.target])
            assert bounds.low <= bounds.high
            inside = bounds.low <= one.to_units <= bounds.high
            nearing = abs(one.to_units - bounds.nearest(one.to_units)) < abs(
                one.from_units - bounds.nearest(one.from_units)
            )
            assert inside or nearing
            assert inside or not bounds.low <= one.from_units <= bounds.high


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_no_change_is_larger_than_the_step_allowed(policy, fleet):
    """The largest step of the direction is never exceeded, also for a capacity somebody asked for."""
    for one in decided(policy, fleet):
        step = policy.limits.max_step.out if one.action is Action.SCALE_OUT else policy.limits.max_step.in_
        if one.action.changes and step is not None:
            assert abs(one.to_units - one.from_units) <= step.of(one.from_units)


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets())
def test_scaling_in_needs_every_deciding_series_to_have_passed(policy, fleet):
    """No capacity is taken away unless the gate passed the target's data clean, the batch and the source as a whole.

    Only a declared will takes it away on anything else: a person's request, or a fallback that names a capacity.
    """
    asked = fleet["request"] is not None and fleet["request"].wants_capacity
    for one in decided(policy, fleet):
        if one.action is Action.SCALE_IN and not asked and one.reasons[0].code != "fallback":
            assert fleet["report"].frame_problems == ()
            assert fleet["report"].source_broken == ()
            series = fleet["report"].of(one.target, policy.deciding_metrics())
            assert series
            assert all(judged.verdict is Verdict.PASS for judged in series)


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets())
def test_scaling_in_needs_every_guarding_series_to_have_passed(policy, fleet):
    """Nothing scales in on metrics while another metric that has a say is missing, degraded or failed."""
    guarding = tuple(dict.fromkeys(metric for metric, _ in policy.guards.signals_wanted()))
    asked = fleet["request"] is not None and fleet["request"].wants_capacity
    for one in decided(policy, fleet):
        if one.action is Action.SCALE_IN and not asked and one.reasons[0].code != "fallback":
            series = fleet["report"].of(one.target, guarding)
            assert {judged.metric for judged in series} == set(guarding)
            assert all(judged.verdict is Verdict.PASS for judged in series)


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets())
def test_nothing_changes_on_data_that_failed_or_is_not_there(policy, fleet):
    """A change has a state, and data that did not fail with a signal; or a declared will: a request or a fallback."""
    asked = fleet["request"] is not None and fleet["request"].wants_capacity
    present = {signal.target for signal in fleet["signals"] if signal.metric == "cpu" and signal.value is not None}
    for one in decided(policy, fleet):
        if one.action.changes:
            assert one.target in fleet["states"]
            if not asked:
                fell_back = one.reasons[0].code == "fallback"
                assert fell_back is (one.quality is Verdict.FAIL)
                assert fell_back or one.target in present


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets())
def test_a_fallback_is_due_and_leads_to_its_capacity(policy, fleet):
    """A fallback changes something only after its number of failures, towards its capacity and never beyond it.

    ``keep_if_higher`` takes nothing away, and ``hold`` changes nothing.
    """
    then = policy.fallback.then
    for one in decided(policy, fleet):
        if one.action.changes and one.reasons[0].code == "fallback":
            assert fleet["streaks"][one.target].failures >= policy.fallback.after
            assert then.units is not None
            assert then.capacity is not None or one.action is Action.SCALE_OUT
            low, high = sorted((one.from_units, then.units))
            bounds = Bounds.of(policy.limits, fleet["states"][one.target])
            assert low <= one.to_units <= high or one.to_units == bounds.nearest(one.to_units)


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets())
def test_degraded_data_adds_a_part_of_the_step(policy, fleet):
    """On degraded data nothing is added beyond the declared part of what clean data would have added."""
    clean = {**fleet, "report": a_report({target: dict.fromkeys(METRICS, Verdict.PASS) for target in TARGETS})}
    asked = fleet["request"] is not None and fleet["request"].wants_capacity
    for one, unhindered in zip(decided(policy, fleet), decided(policy, clean), strict=True):
        if one.action is Action.SCALE_OUT and one.quality is Verdict.DEGRADED and not asked:
            step = unhindered.to_units - unhindered.from_units
            assert one.to_units - one.from_units == min(step, policy.limits.degraded_step.of(step))


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_cooldown_open_changes_and_operations_are_respected(policy, fleet):
    """A target that rests, is being changed, or has another operation under way does not move."""
    for one in decided(policy, fleet):
        if one.action.changes:
            remembered = fleet["memory"][one.target]
            cooldown = policy.limits.cooldown
            rest = cooldown.out if one.action is Action.SCALE_OUT else cooldown.in_
            assert remembered.open_change_id is None
            asked_for = one.metrics_pulled_at is None
            moment = NOW if asked_for else min(NOW, fleet["pulled_at"])
            assert asked_for is bool(fleet["request"] and fleet["request"].wants_capacity)
            assert remembered.last_change_at is None or moment - remembered.last_change_at >= rest
            assert not any(one.action in busy.blocks for busy in fleet["states"][one.target].operations)


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets())
def test_nothing_overtakes_a_verdict(policy, fleet):
    """While the last change is unjudged, nothing scales in, and nothing at all changes where the policy says hold.

    Not waited for is a dead run's change, and one that began outside the policy's bounds: that is never taken back.
    """
    feedback = policy.feedback
    for one in decided(policy, fleet):
        remembered = fleet["memory"][one.target]
        if remembered.unjudged_change_id is not None and one.action.changes:
            at_most = feedback.in_service_timeout + feedback.after + DEAD_AFTER
            run_is_dead = NOW - remembered.last_change_at >= at_most
            began = remembered.last_from_units
            never_taken_back = began is not None and not policy.limits.min <= began <= policy.limits.max
            may_go_on = feedback.until_judged is UntilJudged.HOLD_SCALE_IN and one.action is Action.SCALE_OUT
            assert run_is_dead or never_taken_back or may_go_on


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets(), seed=st.integers(0, 1000))
def test_the_order_of_the_fleet_does_not_matter(policy, fleet, seed):
    """Shuffled targets, signals and series give the same decisions, and so does asking twice."""
    shuffle = random.Random(seed)
    targets = shuffle.sample(TARGETS, len(TARGETS))
    report = fleet["report"]
    mixed = {
        **fleet,
        "signals": shuffle.sample(fleet["signals"], len(fleet["signals"])),
        "report": report.model_copy(
            update={"series": tuple(shuffle.sample(report.series, len(report.series)))},
        ),
    }

    assert decide(policy, run_id="run-1", targets=targets, now=NOW, **mixed) == decided(policy, fleet)


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_one_target_does_not_depend_on_another(policy, fleet):
    """A target is decided the same alone and in its fleet."""
    alone = [one for target in TARGETS for one in decide(policy, run_id="run-1", targets=(target,), now=NOW, **fleet)]

    assert tuple(alone) == decided(policy, fleet)


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets(), holes=st.sets(st.integers(0, 7)))
def test_a_missing_point_never_leads_to_a_change(policy, fleet, holes):
    """Whatever points are missing, a change rests on as many present ones as its rule needs."""
    fleet = {**fleet, "request": None, "signals": [_with_holes(signal, holes) for signal in fleet["signals"]]}
    newest = {
        signal.target: [point for point in signal.points[-4:] if point is not None]
        for signal in fleet["signals"]
        if (signal.metric, signal.aggregate) == ("cpu", "p90")
    }
    for one in decided(policy, fleet):
        if one.reasons[0].code == "fallback":
            continue
        if one.action is Action.SCALE_OUT:
            assert sum(point > 70 for point in newest[one.target]) >= 2
        if one.action is Action.SCALE_IN:
            assert sum(point < 30 for point in newest[one.target]) >= 3


def _with_holes(signal, holes):
    return a_signal(
        [None if at in holes else point for at, point in enumerate(signal.points)],
        signal.target,
        metric=signal.metric,
        aggregate=signal.aggregate,
    )


@settings(max_examples=60)
@given(policy=policies(), fleet=fleets())
def test_what_is_decided_may_be_applied_at_once(policy, fleet):
    """Deciding and applying judge alike: with nothing moved in between, the recheck lets every change through."""
    for one in decided(policy, fleet):
        if one.action.changes:
            change = PlannedChange.of(one, policy.targets.kind)
            refusal = recheck(
                change,
                plan_expires_at=NOW + timedelta(minutes=10),
                policy=policy,
                state=fleet["states"][one.target],
                memory=fleet["memory"][one.target],
                now=NOW,
            )
            assert refusal is None


@settings(max_examples=200)
@given(policy=policies(), fleet=fleets(), took_effect=st.integers(0, 7200), side=st.sampled_from(["out", "in"]))
def test_a_look_at_the_metrics_makes_one_change(policy, fleet, took_effect, side):
    """Metrics pulled before a target's last change took effect lead to no other one, however long ago that was.

    It holds whether that change was known when deciding or came in between deciding and applying, for every policy,
    also one without cooldowns; a capacity that somebody asked for rests on no metrics.
    """
    fleet = {**fleet, "request": None}
    applied_at = fleet["pulled_at"] + timedelta(seconds=took_effect)
    moved = {target: TargetMemory(target=target, **{f"last_{side}_at": applied_at}) for target in TARGETS}
    now = max(NOW, applied_at + timedelta(hours=1))
    known = decide(policy, run_id="run-1", targets=TARGETS, now=now, **{**fleet, "memory": moved})
    assert not any(one.action.changes for one in known)

    for one in decided(policy, fleet):
        if one.action.changes:
            refusal = recheck(
                PlannedChange.of(one, policy.targets.kind),
                plan_expires_at=now + timedelta(minutes=10),
                policy=policy,
                state=fleet["states"][one.target],
                memory=moved[one.target],
                now=now,
            )
            assert refusal is not None
            assert refusal.code == "changed_since_pull"
