"""Great Expectations as the judge: suites, silence, and no verdict where it could not judge."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from setpoint.quality.errors import GateError
from setpoint.quality.expectations import broken_rules, validation
from setpoint.quality.rules import RULES
from setpoint.quality.suite import FRAME_SUITE, frame_suite, series_suite
from setpoint.quality.summary import summarise


def test_a_suite_says_of_each_expectation_what_it_is_and_where_it_comes_from(gate: Any) -> None:
    """Named by policy and version; every expectation has a description, its limit, and whether it is a default."""
    suite = series_suite(gate.policy(max_age="2m"))
    assert suite.name == "setpoint.web.v2"
    assert frame_suite().name == FRAME_SUITE
    assert [one.meta["check"] for one in suite.expectations] == [
        rule.name for rule in RULES if rule.name not in ("rise", "sign")
    ]
    told = {one.meta["check"]: one for one in suite.expectations}
    freshness = told["freshness"]
    assert freshness.description == "cpu: The newest point is at most 120 seconds old at the pull."
    assert freshness.max_value == 120
    assert freshness.meta == {
        "policy": "web",
        "metric": "cpu",
        "check": "freshness",
        "limit": 120.0,
        "keys": ["max_age"],
        "default": False,
    }
    assert told["coverage"].meta["default"] is True
    assert (told["coverage"].severity, told["order"].severity) == ("warning", "critical")


def test_a_check_that_is_off_is_no_expectation(gate: Any) -> None:
    """What the policy turns off is neither judged nor reported."""
    off = {"between": None, "zero_guard": False, "newest_spike": None, "max_spike": None, "stuck_after": None}
    policy = gate.policy(**off, max_fall=None, signed=True, error_codes=False)
    gone = {"range", "sign", "codes", "zero_guard", "newest_spike", "spikes", "stuck", "fall", "rise"}
    wanted = {rule.name for rule in RULES} - gone
    assert {one.meta["check"] for one in series_suite(policy).expectations} == wanted
    assert {check.expectation for check in gate.one(gate.clean(), policy).checks} == wanted


def test_failing_series_come_out_by_name(gate: Any) -> None:
    """The judge names target and metric for each rule, and nobody for a rule that holds."""
    fleet = {"good": gate.clean(), "кухня": gate.clean()[:4], "gap": gate.clean()[1:]}
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy())
    broken = broken_rules(summary, gate.policy())
    assert {name: keys for name, keys in broken.items() if keys} == {
        "freshness": {("кухня", "cpu")},
        "coverage": {("кухня", "cpu"), ("gap", "cpu")},
    }
    assert set(broken) == {rule.name for rule in RULES}


def test_the_whole_suite_says_the_same(gate: Any) -> None:
    """What Data Docs show is what was judged: expectation by expectation."""
    fleet = {"good": gate.clean(), "gap": gate.clean()[:4] + gate.clean()[8:], "gone": []}
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy())
    suite, result = validation(summary, gate.policy())
    assert len(result.results) == len(suite.expectations)
    failed = {one.expectation_config.meta["check"] for one in result.results if not one.success}
    assert failed == {name for name, keys in broken_rules(summary, gate.policy()).items() if keys}


def test_an_expectation_that_cannot_be_evaluated_is_no_verdict(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken gate is an error: neither a pass nor a fail of the data."""
    fleet = {"web": gate.clean()}
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy())
    monkeypatch.setattr("setpoint.quality.expectations.excesses", lambda summary, policy: {"order": ["nothing"]})
    with pytest.raises(GateError, match="could not evaluate"):
        broken_rules(summary, gate.policy())


@pytest.mark.parametrize("hidden", [{"coverage": float("nan")}, {"null_share": float("nan")}])
def test_a_number_that_is_none_holds_nothing(gate: Any, hidden: dict[str, float]) -> None:
    """Great Expectations leaves missing numbers out; a missing number in the summary must not pass for a good one."""
    fleet = {"web": gate.clean()}
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy()).assign(**hidden)
    with pytest.raises(GateError, match="finds no series"):
        broken_rules(summary, gate.policy())


def test_judging_is_silent_and_sends_nothing() -> None:
    """No progress bar in a task's log, analytics off where nobody chose them; importing the room alone is cheap."""
    program = """
import os, sys
os.environ.pop("GX_ANALYTICS_ENABLED", None)
import setpoint.quality
assert not {"pandas", "great_expectations"} & set(sys.modules)
from setpoint.quality import expectations
from setpoint.sources.frame import empty_frame
assert expectations.frame_problems(empty_frame()) == ()
assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
