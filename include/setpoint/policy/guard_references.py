"""What the guards between metrics say about the metrics, checked on the plain data like the other references."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from setpoint.policy.fields import OfPoints, format_duration, parse_duration, parse_of
from setpoint.policy.finding import Finding
from setpoint.policy.problems import closest, show
from setpoint.policy.yaml_text import Path

_SAME_READING = ("window", "settle", "unit")
"""Keys that do not make another measurement of a metric."""


def guard_findings(data: dict[str, Any], metrics: dict[str, Any]) -> Iterator[Finding]:
    """Every contradiction between ``guards`` and ``metrics``: unknown names, too few points, one reading asked twice.

    :param metrics: the policy's metrics by name.
    """
    guards = data.get("guards")
    for section in ("scale_in_needs", "no_scale_in_while"):
        rules = guards.get(section) if isinstance(guards, dict) else None
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                path = ("guards", section, index)
                yield from _unknown(rule, path, metrics)
                yield from _points(rule, path, metrics)
                yield from _same_reading(rule, path, metrics)


def _unknown(rule: dict[str, Any], path: Path, metrics: dict[str, Any]) -> Iterator[Finding]:
    names = tuple(metrics)
    for key in ("metric", "agrees_with"):
        name = rule.get(key)
        if isinstance(name, str) and name not in metrics:
            suggestion = closest(name, names)
            text = "is not one of the policy's metrics"
            yield Finding((*path, key), text, ", ".join(names), suggestion, show(name))


def _points(rule: dict[str, Any], path: Path, metrics: dict[str, Any]) -> Iterator[Finding]:
    metric = metrics.get(str(rule.get("metric")))
    if not isinstance(metric, dict):
        return
    try:
        wanted = parse_of(rule["for"])
        period, window = parse_duration(metric["period"]), parse_duration(metric["window"])
    except (PydanticCustomError, ValidationError, KeyError, TypeError, OverflowError):
        return
    if not period or not isinstance(wanted, OfPoints) or wanted.m <= window // period:
        return
    least = format_duration(wanted.m * timedelta(seconds=period.total_seconds()))
    yield Finding(
        (*path, "for"),
        f"looks at {wanted.m} points, but metrics.{rule['metric']} has {window // period}",
        f"at most {window // period} points, or a window of at least {least}",
    )


def _same_reading(rule: dict[str, Any], path: Path, metrics: dict[str, Any]) -> Iterator[Finding]:
    """Two names of one measurement always agree, also when it is wrong."""
    one, other = (metrics.get(str(rule.get(key))) for key in ("metric", "agrees_with"))
    if rule.get("metric") == rule.get("agrees_with") or not isinstance(one, dict) or not isinstance(other, dict):
        return
    if _measured(one) == _measured(other):
        yield Finding(
            (*path, "agrees_with"),
            f"is the same measurement as {rule['metric']}: the two always agree, also when both are wrong",
            "a metric of another source, or at least another metric",
        )


def _measured(metric: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metric.items() if key not in _SAME_READING}
