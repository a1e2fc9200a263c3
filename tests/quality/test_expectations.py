"""Great Expectations as the judge: suites, silence, and no verdict where it could not judge."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from setpoint.quality.expectations import FRAME_SUITE, GateError, broken_rules, frame_suite, series_suite, suite_name
from setpoint.quality.rules import RULES
from setpoint.quality.summary import summarise


def test_a_suite_has_one_named_expectation_for_each_rule() -> None:
    """The suite is named by policy and version, and says which check each expectation is."""
    suite = series_suite(suite_name("web"))
    assert suite.name == "setpoint.web.v1"
    assert [one.meta["check"] for one in suite.expectations] == [rule.name for rule in RULES]
    assert frame_suite().name == FRAME_SUITE


def test_failing_series_come_out_by_name(gate: Any) -> None:
    """The judge names target and metric for each rule, and nobody for a rule that holds."""
    fleet = {"good": gate.clean(), "кухня": gate.clean()[:4], "gap": gate.clean()[1:]}
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy())
    broken = broken_rules(summary, "setpoint.web.v1")
    assert {name: keys for name, keys in broken.items() if keys} == {
        "freshness": {("кухня", "cpu")},
        "coverage": {("кухня", "cpu"), ("gap", "cpu")},
    }
    assert set(broken) == {rule.name for rule in RULES}


def test_an_expectation_that_cannot_be_evaluated_is_no_verdict(gate: Any) -> None:
    """A broken gate is an error: neither a pass nor a fail of the data."""
    fleet = {"web": gate.clean()}
    summary = summarise(gate.frame(fleet), gate.batch(fleet), gate.policy()).astype({"duplicates": object})
    summary["duplicates"] = [{"not": "a number"}]
    with pytest.raises(GateError, match="could not evaluate"):
        broken_rules(summary, "setpoint.web.v1")


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
