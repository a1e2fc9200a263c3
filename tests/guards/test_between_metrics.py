"""Guards between metrics: agreement before scaling in, and conditions while which nothing scales in."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from setpoint.guards.agreement import agreement
from setpoint.guards.candidate import Basis, Candidate, GuardContext
from setpoint.guards.degraded_step import degraded_step
from setpoint.guards.evidence import Evidence
from setpoint.guards.memory import TargetMemory
from setpoint.guards.trust import Trust
from setpoint.guards.upstream import upstream
from setpoint.model import Reason, Verdict
from setpoint.testing.values import NOW, a_policy, a_report, a_signal, a_state

PASS, DEGRADED, FAIL = Verdict.PASS, Verdict.DEGRADED, Verdict.FAIL
CPU = a_policy().to_json()["metrics"]["cpu"]


def scale_in() -> Candidate:
    """A proposal to take one of four away."""
    return Candidate(4, 3, (Reason(code="below_threshold", text="5 of 5 below"),))


def scale_out(to_units: int = 6) -> Candidate:
    """A proposal to add to four."""
    return Candidate(4, to_units, (Reason(code="above_threshold", text="4 of 5 above"),))


def context(
    guards: Mapping[str, Any],
    points: Mapping[str, Sequence[float | None]],
    verdicts: Mapping[str, Verdict] | None = None,
    basis: Basis = Basis.METRICS,
) -> GuardContext:
    """A target with signals of several metrics, each with its own verdict; clean unless told otherwise."""
    judged = {**dict.fromkeys(points, PASS), **(verdicts or {})}
    signals = [a_signal(series, metric=metric, aggregate="mean") for metric, series in points.items()]
    return GuardContext(
        policy=a_policy(metrics=dict.fromkeys(["cpu", "agent", "queue", "errors"], CPU), guards=guards),
        state=a_state(),
        trust=Trust(PASS),
        memory=TargetMemory(target="web-1"),
        now=NOW,
        basis=basis,
        evidence=Evidence({(one.metric, one.aggregate): one for one in signals}, a_report({"web-1": judged}).series),
    )


COMPARED = {"scale_in_needs": [{"metric": "agent", "agrees_with": "cpu", "within": "10%"}]}
ALONE = {"scale_in_needs": [{"metric": "queue", "below": 10, "for": "2 of 3"}]}
WHILE = {"no_scale_in_while": [{"metric": "errors", "above": 5, "for": "2 of 3"}]}


@pytest.mark.parametrize(
    ("name", "guards", "points", "verdicts", "code"),
    [
        ("two sources agree", COMPARED, {"cpu": [20], "agent": [21]}, {}, None),
        ("they lie too far apart", COMPARED, {"cpu": [20], "agent": [60]}, {}, "sources_disagree"),
        ("an outage reads as zero in one of them", COMPARED, {"cpu": [0], "agent": [60]}, {}, "sources_disagree"),
        ("the second says nothing", COMPARED, {"cpu": [20]}, {}, "agreement_unknown"),
        ("the second has no value", COMPARED, {"cpu": [20], "agent": [None]}, {}, "agreement_unknown"),
        ("the second is degraded", COMPARED, {"cpu": [20], "agent": [20]}, {"agent": DEGRADED}, "agreement_unknown"),
        ("the second failed", COMPARED, {"cpu": [20], "agent": [20]}, {"agent": FAIL}, "agreement_unknown"),
        ("its own threshold holds", ALONE, {"queue": [50, 1, 2]}, {}, None),
        ("its own threshold does not", ALONE, {"queue": [50, 50, 2]}, {}, "sources_disagree"),
        ("points are missing that would have to agree", ALONE, {"queue": [None, 50, 2]}, {}, "agreement_unknown"),
        ("no point at all", ALONE, {}, {}, "agreement_unknown"),
    ],
)
def test_agreement(name, guards, points, verdicts, code):
    """Capacity is only taken away when the second metric surely agrees."""
    found = agreement(scale_in(), context(guards, points, verdicts))

    assert found.to_units == (3 if code is None else 4), name
    assert [one.reason.code for one in found.constraints] == ([code] if code else []), name


@pytest.mark.parametrize(
    ("name", "points", "verdicts", "code"),
    [
        ("all is well upstream", {"errors": [0, 1, 0]}, {}, None),
        ("one bad point is not the condition", {"errors": [0, 9, 0]}, {}, None),
        ("the condition holds", {"errors": [9, 1, 9]}, {}, "upstream_condition"),
        ("a missing point could make it hold", {"errors": [9, None, 0]}, {}, "upstream_unknown"),
        ("nothing is known", {}, {}, "upstream_unknown"),
        ("the data is degraded", {"errors": [0, 0, 0]}, {"errors": DEGRADED}, "upstream_unknown"),
        ("the data failed", {"errors": [0, 0, 0]}, {"errors": FAIL}, "upstream_unknown"),
    ],
)
def test_upstream(name, points, verdicts, code):
    """Nothing is taken away while the condition holds, or while that is not known."""
    found = upstream(scale_in(), context(WHILE, points, verdicts))

    assert found.to_units == (3 if code is None else 4), name
    assert [one.reason.code for one in found.constraints] == ([code] if code else []), name


@pytest.mark.parametrize("guard", [agreement, upstream])
def test_neither_speaks_about_scaling_out_nor_about_a_declared_will(guard):
    """Adding capacity waits for no second opinion, and a person, a fallback or a repair is not asked for one."""
    guards = {**COMPARED, **WHILE}

    assert guard(scale_out(), context(guards, {})) == scale_out()
    for basis in (Basis.REQUEST, Basis.FALLBACK, Basis.REPAIR):
        assert guard(scale_in(), context(guards, {}, basis=basis)) == scale_in()


def test_the_reason_names_both_numbers():
    """Who reads that two sources disagree sees what each of them says."""
    found = agreement(scale_in(), context(COMPARED, {"cpu": [20], "agent": [60]}))

    assert "agent is 60, cpu is 20" in found.reasons[0].text
    assert "within 10% (mean)" in found.reasons[0].text


@pytest.mark.parametrize(
    ("name", "part", "wanted", "expected"),
    [
        ("half of four", "50%", 8, 6),
        ("half of three, rounded like a person would", "50%", 7, 6),
        ("half of one is one", "50%", 5, 5),
        ("at most one", 1, 8, 5),
        ("more units than the step has", 9, 8, 8),
        ("all of it", "100%", 8, 8),
        ("hardly any is still one", "1%", 8, 5),
    ],
)
def test_degraded_step(name, part, wanted, expected):
    """On degraded data a part of the step is taken, at least one unit, and never more than the step."""
    policy = a_policy(limits={"min": 2, "max": 10, "degraded_step": part})
    asked = GuardContext(policy, a_state(), Trust(DEGRADED), TargetMemory(target="web-1"), NOW)
    found = degraded_step(scale_out(wanted), asked)

    assert found.to_units == expected, name
    assert [one.reason.code for one in found.constraints] == ([] if expected == wanted else ["degraded_step"]), name


def test_clean_data_takes_the_whole_step():
    """The smaller step is for degraded data alone, and not for what somebody asks for."""
    clean = GuardContext(a_policy(), a_state(), Trust(PASS), TargetMemory(target="web-1"), NOW)
    asked = GuardContext(a_policy(), a_state(), Trust(DEGRADED), TargetMemory(target="web-1"), NOW, basis=Basis.REQUEST)

    assert degraded_step(scale_out(8), clean) == scale_out(8)
    assert degraded_step(scale_out(8), asked) == scale_out(8)
