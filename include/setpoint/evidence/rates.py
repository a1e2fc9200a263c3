"""Quality as numbers: which share of a fleet's series passes, and which share keeps each expectation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from setpoint.model import QualityReport, Verdict
from setpoint.model.base import Value


class PassRates(Value):
    """The pass rates of one batch; shares from 0 to 1."""

    series: int
    passed: float | None
    """The share of series with the verdict ``pass``; ``None`` for a batch without a series."""
    by_expectation: Mapping[str, float]
    """The share of series that keep each expectation; empty for a batch without a series."""


def pass_rates(report: QualityReport, expectations: Iterable[str]) -> PassRates:
    """The pass rates of a report.

    A large fleet's report leaves out the checks that held, so what does not stand there as broken was kept.

    :param expectations: every expectation the gate has; one of the report that is not among them is told as well.
    """
    count = len(report.series)
    if not count:
        return PassRates(series=0, passed=None, by_expectation={})
    broken = Counter(name for one in report.series for name in {check.expectation for check in one.broken})
    passed = sum(one.verdict is Verdict.PASS for one in report.series)
    names = dict.fromkeys([*expectations, *sorted(broken)])
    return PassRates(
        series=count, passed=passed / count, by_expectation={name: 1 - broken[name] / count for name in names}
    )
