"""Quality as a metric: pass rates through Airflow's own stats (StatsD, Datadog or OpenTelemetry, as it is set up).

====================================================  =======  ======================================================
name                                                  type     tags
====================================================  =======  ======================================================
``setpoint.quality.pass_rate``                        gauge    ``policy``
``setpoint.quality.expectation_pass_rate``            gauge    ``policy``, ``expectation``
``setpoint.quality.batches``                          counter  ``policy``, ``verdict``
``setpoint.quality.judging``                          timer    ``policy``
``setpoint.quality.quarantined``                      counter  ``policy``
====================================================  =======  ======================================================

Rates are shares of series, from 0 to 1. Tags are names of policies, expectations and verdicts, never of targets, so
their number is bounded. StatsD has no tags; as long as ``[metrics] legacy_names_on`` is set (Airflow's default), each
is sent once more with the tags in its name, such as ``setpoint.quality.pass_rate.web``.
"""

from __future__ import annotations

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from setpoint.evidence.rates import pass_rates
from setpoint.model import QualityReport
from setpoint.quality.rules import RULES

_PREFIX = "setpoint.quality"


def tell_quality(report: QualityReport) -> None:
    """Send the pass rates of a batch."""
    policy = {"policy": report.policy}
    rates = pass_rates(report, [rule.name for rule in RULES])
    if rates.passed is not None:
        _gauge("pass_rate", rates.passed, policy)
    for expectation, share in rates.by_expectation.items():
        _gauge("expectation_pass_rate", share, {**policy, "expectation": expectation})
    _count("batches", {**policy, "verdict": report.verdict.value})
    for name, tags in _names("judging", policy):
        stats.timing(name, report.seconds * 1000, tags=tags)


def tell_quarantined(policy: str) -> None:
    """Count a batch that was put aside."""
    _count("quarantined", {"policy": policy})


def _gauge(what: str, share: float, tags: dict[str, str]) -> None:
    for name, kept in _names(what, tags):
        stats.gauge(name, round(share, 6), tags=kept)


def _count(what: str, tags: dict[str, str]) -> None:
    for name, kept in _names(what, tags):
        stats.incr(name, tags=kept)


def _names(what: str, tags: dict[str, str]) -> list[tuple[str, dict[str, str] | None]]:
    """A metric's name with its tags, and where those would be lost the name that has them in it."""
    named: list[tuple[str, dict[str, str] | None]] = [(f"{_PREFIX}.{what}", tags)]
    if conf.getboolean("metrics", "legacy_names_on", fallback=True):
        named.append((".".join((_PREFIX, what, *tags.values())), None))
    return named
