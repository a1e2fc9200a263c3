"""Every check earns its place: without it, a fault goes through that only it has seen."""

from __future__ import annotations

import importlib
from typing import Any

import gate_corpus as corpus
import pytest

from setpoint.model import SeriesQuality, Verdict
from setpoint.quality import expectations, judge, rules, suite
from setpoint.testing.values import NOW


def _judged(gate: Any, case: Any) -> SeriesQuality:
    points = case.fault(gate.clean())
    fleet = {"web": points}
    batch = gate.batch(fleet, **case.batch)
    word = batch.series[0].model_copy(update={"status": case.status})
    history = () if case.history is None else (corpus.past(**case.history),)
    report = judge(
        gate.frame(fleet), batch.model_copy(update={"series": (word,)}), gate.policy(**case.quality), NOW, history
    )
    assert report.frame_problems == ()
    return report.series[0]


def test_every_check_has_its_fault() -> None:
    """A new rule needs a fault of its own in the corpus."""
    assert set(corpus.CORPUS) == {rule.name for rule in rules.RULES}


@pytest.mark.parametrize("check", corpus.CORPUS)
def test_a_fault_breaks_its_check_and_no_other(gate: Any, check: str) -> None:
    """The fault is seen, by that check alone, and its points are named where there are any."""
    series = _judged(gate, corpus.CORPUS[check])
    assert [one.expectation for one in series.broken] == [check]
    assert series.verdict is not Verdict.PASS
    nameless = {"source", "freshness", "coverage", "gap", "fall", "rise"}
    assert bool(series.broken[0].offending) is (check not in nameless)


@pytest.mark.parametrize("check", corpus.CORPUS)
def test_without_the_check_its_fault_goes_through(gate: Any, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expectation is removed from the gate, and the fault it is for passes: the corpus would turn red."""
    fewer = tuple(rule for rule in rules.RULES if rule.name != check)
    for module in (rules, expectations, suite, importlib.import_module("setpoint.quality.judge")):
        monkeypatch.setattr(module, "RULES", fewer)
    suite.glance_suite.cache_clear()
    try:
        assert _judged(gate, corpus.CORPUS[check]).verdict is Verdict.PASS
    finally:
        suite.glance_suite.cache_clear()
