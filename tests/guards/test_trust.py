"""How far one target's data can be trusted."""

import pytest

from setpoint.guards.trust import trust_of
from setpoint.model import Verdict
from setpoint.testing.values import a_report

PASS, DEGRADED, FAIL = Verdict.PASS, Verdict.DEGRADED, Verdict.FAIL


@pytest.mark.parametrize(
    ("name", "verdicts", "trusted"),
    [
        ("clean", {"cpu": PASS, "rps": PASS}, PASS),
        ("one degraded", {"cpu": PASS, "rps": DEGRADED}, DEGRADED),
        ("the worst counts", {"cpu": FAIL, "rps": DEGRADED}, FAIL),
        ("a metric nobody checked", {"cpu": PASS}, FAIL),
        ("nothing checked", {}, FAIL),
        ("metrics that do not decide are left out", {"cpu": PASS, "rps": PASS, "latency": FAIL}, PASS),
    ],
)
def test_the_worst_deciding_series_counts(name, verdicts, trusted):
    """Trust is the worst verdict among the deciding metrics; one that is not judged is not trusted."""
    report = a_report({"web-1": verdicts})

    assert trust_of(report.series, ("cpu", "rps")).verdict is trusted, name


def test_a_problem_of_the_frame_fails_every_target():
    """A batch that is wrong as a whole is wrong for a target whose own series look fine."""
    trust = trust_of(a_report().of("web-1"), ("cpu",), ["the checksum does not match"])

    assert trust.verdict is FAIL
    assert "the checksum does not match" in str(trust)


def test_says_what_was_found_and_allowed():
    """The problems name the metric, the expectation, what was found and what would have held."""
    trust = trust_of(a_report({"web-1": {"cpu": DEGRADED}}).series, ("cpu", "rps"))

    assert str(trust) == "cpu: coverage 90 % (allowed: at least 95 %); rps: nobody checked it"


@pytest.mark.parametrize("verdicts", [(PASS, FAIL), (FAIL, PASS)])
def test_the_worse_of_two_verdicts_on_one_series_counts(verdicts):
    """A report that speaks twice about one series is believed where it warns."""
    series = [series for verdict in verdicts for series in a_report({"web-1": {"cpu": verdict}}).series]

    assert trust_of(series, ("cpu",)).verdict is FAIL
