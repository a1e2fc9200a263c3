"""From a batch to decisions: no capacity is taken away on a batch whose truth was withheld, and clean ones are used.

``pytest tests/steps/test_withheld_truth.py --hypothesis-profile=thorough`` draws five hundred fleets a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from withheld import HIDES_LOAD, LOOKS_QUIET, OWN_CODES, PERIODS, WITHOUT_RANGE, Answer, measured, other_unit

from setpoint.guards.decide import decide
from setpoint.guards.reasons import REASONS
from setpoint.model import (
    FRAME_COLUMNS,
    Action,
    Decision,
    MetricBatch,
    SeriesHistory,
    SeriesStatus,
    Verdict,
    Window,
)
from setpoint.policy.schema import Policy
from setpoint.quality import judge
from setpoint.signals.aggregate import aggregate
from setpoint.testing.values import NOW, a_policy, a_state

EXAMPLES = 12 if settings().max_examples <= 100 else settings().max_examples // 4
QUIET, ORDINARY, BUSY = 20.37, 50.53, 88.21


def policy(for_: str, **quality: Any) -> Policy:
    """CPU in percent over ten minutes, the gate as it comes but for what is said here."""
    cpu = {"source": "aws.cloudwatch", "namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average"}
    return a_policy(
        metrics={"cpu": {**cpu, "period": "1m", "window": f"{PERIODS}m", "unit": "Percent"}},
        quality={"cpu": quality},
        scale={
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "mean"},
            "out": {"above": 70, "for": for_, "add": 2},
            "in": {"below": 30, "for": for_, "remove": 1},
        },
        # Most targets of these fleets fail, each for itself.
        fleet={"max_failing": 1.0},
    )


def usual(target: str, true: Answer) -> SeriesHistory:
    """What the gate remembers after five batches like the true one."""
    values = pd.Series([value for _, value in true.points])
    return SeriesHistory(
        target=target,
        metric="cpu",
        batch_id="batch-0",
        accepted_at=NOW - timedelta(minutes=5),
        batches=5,
        points=5 * PERIODS,
        zeros=0,
        median=values.median(),
        spread=1.4826 * (values - values.median()).abs().median(),
        lowest=values.min(),
        highest=values.max() * 1.01,
        longest_run=1,
    )


def decided(policy: Policy, fleet: Mapping[str, Answer], history: Sequence[SeriesHistory]) -> dict[str, Decision]:
    """Judge, aggregate, decide, as the tasks of a run do."""
    rows = [(at, target, "cpu", value) for target, answer in fleet.items() for at, value in answer.points]
    frame = pd.DataFrame(rows, columns=list(FRAME_COLUMNS)).astype(
        {"timestamp": "datetime64[us, UTC]", "target": "str", "metric": "str", "value": "float64"}
    )
    batch = batch_of(fleet, len(frame))
    report = judge(frame, batch, policy, NOW, history)
    signals = aggregate(frame, batch, policy)
    decisions = decide(
        policy,
        run_id="web/1",
        targets=list(fleet),
        signals=signals,
        report=report,
        states={target: a_state(target) for target in fleet},
        memory={},
        pulled_at=NOW,
        now=NOW,
    )
    return {one.target: one for one in decisions}


def batch_of(fleet: Mapping[str, Answer], rows: int) -> MetricBatch:
    """The reference to a batch, with the source's word on each series."""
    return MetricBatch(
        batch_id="batch-1",
        policy="web",
        uri="/nowhere",
        window=Window(start=NOW - timedelta(minutes=PERIODS), end=NOW),
        rows=rows,
        sha256="0" * 64,
        units={"cpu": "Percent"},
        series=tuple(
            SeriesStatus(
                target=target,
                metric="cpu",
                status=answer.status,
                points=max(0, len(answer.points) if answer.announced is None else answer.announced),
                expected_points=PERIODS,
                period_seconds=60,
            )
            for target, answer in fleet.items()
        ),
        pulled_at=NOW,
    )


def names_of(data: st.DataObject, count: int) -> list[str]:
    """Names of any alphabet, markup and line breaks included."""
    return data.draw(st.lists(st.text(min_size=1, max_size=20), min_size=count, max_size=count, unique=True))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_nothing_is_taken_away_on_withheld_truth(data: st.DataObject) -> None:
    """A fleet with a target for each fault: none scales in, each has a reason, and the clean ones are acted on."""
    rule = data.draw(st.sampled_from(["1 of 1", "3 of 3", "5 of 5", "10 of 10"]))
    cases: list[tuple[str, Any, float]] = [
        *(("hides load", fault, QUIET) for fault in HIDES_LOAD),
        *(("looks quiet", fault, level) for fault in LOOKS_QUIET for level in (ORDINARY, BUSY)),
        *(("clean", None, level) for level in (QUIET, ORDINARY, BUSY)),
    ]
    names = names_of(data, len(cases))
    noise = data.draw(st.sampled_from([0.002, 0.01, 0.03]))
    seed = data.draw(st.integers(0, 2**32))
    true = {
        name: measured(level, noise, seed + place, NOW)
        for place, (name, (_, _, level)) in enumerate(zip(names, cases, strict=True))
    }
    told = {
        name: fault(data, true[name]) if fault else true[name] for name, (_, fault, _) in zip(names, cases, strict=True)
    }

    decisions = decided(policy(rule, between=[0, 100]), told, [usual(name, answer) for name, answer in true.items()])

    assert set(decisions) == set(names)
    for name, (kind, fault, level) in zip(names, cases, strict=True):
        decision = decisions[name]
        assert decision.reasons
        assert all(one.code in REASONS and one.text.strip() for one in decision.reasons)
        if fault is None:
            wanted = {QUIET: Action.SCALE_IN, ORDINARY: Action.HOLD, BUSY: Action.SCALE_OUT}[level]
            assert (decision.quality, decision.action) == (Verdict.PASS, wanted), decision.reasons
        else:
            note(f"{rule}, {kind}, {fault.__name__} of {level}: {told[name]}: {decision.reasons}")
            assert decision.action is not Action.SCALE_IN, (fault.__name__, decision.reasons)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_nothing_changes_on_withheld_truth_of_a_metric_without_a_range(data: st.DataObject) -> None:
    """No ``between``, with or without a history: error codes in any part of the window neither add nor take away."""
    rule = data.draw(st.sampled_from(["1 of 1", "3 of 3", "5 of 5", "10 of 10"]))
    known = data.draw(st.booleans())
    faults = (*WITHOUT_RANGE, other_unit) if known else WITHOUT_RANGE
    cases: list[tuple[Any, float]] = [
        *((fault, level) for fault in faults for level in (ORDINARY, BUSY)),
        *((None, level) for level in (QUIET, ORDINARY, BUSY)),
    ]
    names = names_of(data, len(cases))
    noise = data.draw(st.sampled_from([0.002, 0.03, 0.15]))
    seed = data.draw(st.integers(0, 2**32))
    true = {
        name: measured(level, noise, seed + place, NOW)
        for place, (name, (_, level)) in enumerate(zip(names, cases, strict=True))
    }
    told = {
        name: fault(data, true[name]) if fault else true[name] for name, (fault, _) in zip(names, cases, strict=True)
    }
    history = [usual(name, answer) for name, answer in true.items()] if known else []

    decisions = decided(policy(rule, error_codes=OWN_CODES), told, history)

    for name, (fault, level) in zip(names, cases, strict=True):
        decision = decisions[name]
        if fault is None:
            assert decision.quality is Verdict.PASS, decision.reasons
        else:
            note(f"{rule}, {fault.__name__} of {level}, known {known}: {told[name]}: {decision.reasons}")
            assert decision.action in (Action.HOLD, Action.QUARANTINE), (fault.__name__, decision.reasons)
