"""Numbers that mean that nothing was measured, zeros that may be honest, and series that vary too much for spreads."""

from __future__ import annotations

from typing import Any

import gate_corpus as corpus
import pytest

from setpoint.model import SeriesHistory, Verdict
from setpoint.quality.judge import judge_frame
from setpoint.testing.values import NOW

USUAL = [54.1, 53.2, 55.8, 54.9, 52.7, 56.3, 55.1, 53.9, 54.4, 55.5]


def look(gate: Any, values: list[float], history: tuple[SeriesHistory, ...] = (), **quality: Any) -> Any:
    """The verdict on ten points with these values, of a metric without a range unless one is given."""
    fleet = {"web": [(at, value) for (at, _), value in zip(gate.clean(), values, strict=True)]}
    policy = gate.policy(**{"between": None, **quality})
    return judge_frame(gate.frame(fleet), gate.batch(fleet), policy, NOW, history).report.series[0]


def broken(series: Any) -> set[str]:
    return {check.expectation for check in series.broken}


@pytest.mark.parametrize("code", [-1.0, -999.0, 999.0, 9999.0, 65535.0, 1e20, 1e38])
@pytest.mark.parametrize("many", [1, 4, 5, 6, 9, 10])
@pytest.mark.parametrize("known", [False, True])
def test_an_error_code_in_any_part_of_a_window_is_seen(gate: Any, code: float, many: int, known: bool) -> None:
    """Also where most points are one, so that the median is: never clean, and too few values left is a failure."""
    series = look(gate, USUAL[: 10 - many] + [code] * many, (corpus.past(),) if known else ())
    assert broken(series) & {"sign", "codes"}
    assert series.verdict is (Verdict.FAIL if many > 2 else Verdict.DEGRADED)


def test_a_number_that_could_be_a_value_is_one(gate: Any) -> None:
    """999 among hundreds, 65535 where history had such, and an end of the range are values."""
    assert look(gate, [940, 960, 999, 1010, 980, 999, 1003, 970, 955, 990]).verdict is Verdict.PASS
    high = (corpus.past(highest=70_000.0),)
    assert look(gate, [*USUAL[:8], 65535.0, 65535.0], high).verdict is Verdict.PASS
    assert look(gate, [*USUAL[:8], 999.0, 999.0], between=[0, 999]).verdict is Verdict.PASS


def test_a_policy_names_its_own_codes_or_believes_all(gate: Any) -> None:
    """A metric's own code is none of its values wherever it stands; without codes nothing is one."""
    assert broken(look(gate, [*USUAL[:8], 55.0, 56.0], error_codes=[55])) == {"codes"}
    assert look(gate, [*USUAL[:8], 999.0, 999.0], error_codes=False).verdict is Verdict.PASS


def test_a_metric_that_goes_below_zero_says_so(gate: Any) -> None:
    """Degrees, a balance: with ``signed``, or a range that begins there; what rounding leaves is no negative value."""
    cold = [value - 54.5 for value in USUAL]
    assert broken(look(gate, cold)) == {"sign"}
    assert "signed: true" in look(gate, cold).broken[0].allowed
    assert "sign" not in broken(look(gate, cold, signed=True))
    assert "sign" not in broken(look(gate, cold, between=[-5, 5]))
    assert look(gate, [*USUAL[:4], 1e-12, *USUAL[5:]], max_spike=None).verdict is Verdict.PASS
    assert look(gate, [*USUAL[:4], -1e-12, *USUAL[5:]], max_spike=None).verdict is Verdict.PASS


@pytest.mark.parametrize("lost", [3, 5, 6, 8, 9])
def test_a_unit_lost_within_the_window_is_seen_without_a_history(gate: Any, lost: int) -> None:
    """Most points read a hundredth, so the median does: what was before shows it."""
    series = look(gate, USUAL[: 10 - lost] + [value / 100 for value in USUAL[10 - lost :]])
    assert broken(series) == {"spikes"}


def test_a_pulse_over_what_was_usual_before_is_a_pulse(gate: Any) -> None:
    """A job every hour, on a machine at rest: what is low now was low in the last accepted batch."""
    rest = corpus.past(median=0.5, spread=0.1, lowest=0.4, highest=0.6)
    pulse = [0.51, 0.49, 48.0, 49.0, 0.52, 0.50, 0.48, 0.53, 0.47, 0.55]
    assert look(gate, pulse, (rest,)).verdict is Verdict.PASS
    assert broken(look(gate, pulse)) == {"spikes"}


def test_a_fall_of_a_series_that_varies_much_is_seen(gate: Any) -> None:
    """Seconds for milliseconds: a latency that varies by a third has no room for ten spreads below its median."""
    wide = [54.0, 31.0, 82.0, 47.0, 66.0, 38.0, 75.0, 58.0, 43.0, 70.0]
    past = (corpus.past(median=56.0, spread=20.0, lowest=30.0, highest=90.0),)
    assert broken(look(gate, [value / 1000 for value in wide], past)) == {"fall"}
    assert look(gate, [value / 10 for value in wide], past).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([7, 5, 9, 0, 6, 8, 4, 7, 5, 6], Verdict.PASS),
        ([7, 5, 9, 4, 6, 8, 4, 7, 5, 0], Verdict.DEGRADED),
        ([7, 5, 9, 0, 0, 8, 4, 7, 5, 6], Verdict.DEGRADED),
        ([7, 5, 9, 0, 6, 8, 0, 7, 5, 6], Verdict.DEGRADED),
        ([57, 55, 59, 0, 56, 58, 54, 57, 55, 56], Verdict.DEGRADED),
        ([7.5, 5.5, 9.5, 0, 6.5, 8.5, 4.5, 7.5, 5.5, 6.5], Verdict.DEGRADED),
        ([0] * 10, Verdict.FAIL),
    ],
    ids=["lone", "newest", "in a row", "two", "far from zero", "no counts", "nothing else"],
)
def test_a_lone_zero_among_small_counts_is_one_of_them(gate: Any, values: list[float], verdict: Verdict) -> None:
    """Between two values, where counts come near zero anyway; an outage stays zero, and begins with the newest."""
    assert look(gate, [float(value) for value in values]).verdict is verdict
