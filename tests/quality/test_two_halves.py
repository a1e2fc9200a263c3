"""A series of two halves: by its median and its spread nothing stands out of it, and yet one half is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from setpoint.model import Verdict


def halves(gate: Any, values: list[float]) -> Any:
    """The verdict on ten points with these values."""
    return gate.one([(moment, value) for (moment, _), value in zip(gate.clean(), values, strict=True)])


@pytest.mark.parametrize(
    "values",
    [
        [50.1, 50.4, 50.2, 50.3, 50.5, 0.501, 0.504, 0.502, 0.503, 0.505],
        [50.1, 0.501, 50.4, 0.504, 50.2, 0.502, 50.3, 0.503, 50.5, 0.505],
        [0.505, 50.1, 0.501, 0.504, 50.4, 50.2, 50.3, 0.502, 50.5, 0.503],
    ],
    ids=["since the middle", "two sources in turn", "here and there"],
)
def test_the_half_that_lost_its_unit_is_not_believed(gate: Any, values: list[float]) -> None:
    """A ratio for a percentage in five of ten points: degraded, with those five points named."""
    series = halves(gate, values)
    spikes = {check.expectation: check for check in series.broken}["spikes"]

    assert series.verdict is Verdict.DEGRADED
    assert set(spikes.offending) == {
        moment for (moment, _), value in zip(gate.clean(), values, strict=True) if value < 1
    }


def test_a_rise_in_the_middle_of_the_window_is_none(gate: Any) -> None:
    """The small points are older than all large ones: a wave rose, and must not wait."""
    series = halves(gate, [0.501, 0.504, 0.502, 0.503, 0.505, 50.1, 50.4, 50.2, 50.3, 50.5])

    assert series.verdict is Verdict.PASS, series.broken
