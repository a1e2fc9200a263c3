"""What a policy's sections say about each other, checked on the plain data.

On the data rather than on the parsed policy, so that these mistakes are reported together with those of the schema.
Whatever does not have the expected shape is left alone here: the schema reports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from setpoint.policy.fields import OfPoints, format_duration, parse_duration, parse_of
from setpoint.policy.finding import Finding
from setpoint.policy.guard_references import guard_findings
from setpoint.policy.problems import closest, show
from setpoint.policy.yaml_text import Path
from setpoint.registry import ExtensionError
from setpoint.strategies import STRATEGIES


def check_references(data: Any) -> list[Finding]:
    """Every contradiction between sections."""
    if not isinstance(data, dict):
        return []
    metrics = dict(_items(data.get("metrics")))
    findings: list[Finding] = [*_within_limits(data), *_fallback_within_limits(data)]
    if metrics:
        findings += _unknown_metrics(data, tuple(metrics))
        findings += guard_findings(data, metrics)
        findings += _points_wanted(data, metrics)
        findings += _fresh_enough(data, metrics)
        findings += _samples_wanted(data, metrics)
    return findings


def _within_limits(data: dict[str, Any]) -> Iterator[Finding]:
    """What data of another Dag asks for stays below ``limits.max``: the guards would cut it, and nobody would know."""
    most, assets = _get(data.get("limits"), "max"), _get(data.get("triggers"), "assets")
    for index, asset in enumerate(assets if isinstance(assets, list) else ()):
        wanted = _get(asset, "at_least")
        if isinstance(wanted, int) and isinstance(most, int) and wanted > most:
            yield Finding(
                ("triggers", "assets", index, "at_least"),
                f"is above limits.max ({most})",
                f"at most {most}, or a higher limits.max",
            )


def _fallback_within_limits(data: dict[str, Any]) -> Iterator[Finding]:
    """A fallback's capacity is one the limits allow: the guards would cut it, and nobody would know."""
    then, limits = _get(data.get("fallback"), "then"), data.get("limits")
    for word in ("capacity", "keep_if_higher"):
        units, least, most = _get(then, word), _get(limits, "min"), _get(limits, "max")
        numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in (units, least, most))
        if not numbers or least > most or least <= units <= most:
            continue
        message = f"lies outside the limits ({least} to {most})"
        yield Finding(("fallback", "then", word), message, f"{least} to {most}, or other limits")


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    return iter(section.items() if isinstance(section, dict) else ())


def _duration(section: Any, key: str) -> timedelta | None:
    try:
        return parse_duration(section[key])
    except (PydanticCustomError, KeyError, TypeError, OverflowError):
        return None


def _walk(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, data
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, value in parts:
        yield from _walk(value, (*path, part))


def _strategy_metrics(scale: Any) -> dict[str, Path]:
    """The metrics the strategy reads, each with the place that names it."""
    named = {value: path for path, value in _walk(scale, ("scale",)) if path[-1] == "metric" and isinstance(value, str)}
    try:
        config = STRATEGIES.load(scale["strategy"]).Config.model_validate(scale)
        wanted = [metric for metric, _ in config.signals_wanted()]
    except (ValidationError, ExtensionError, LookupError, TypeError):
        return named
    return {metric: named.get(metric, ("scale",)) for metric in wanted}


def _unknown_metrics(data: dict[str, Any], metrics: tuple[str, ...]) -> Iterator[Finding]:
    def finding(path: Path, name: str, value: str | None = None) -> Finding:
        return Finding(
            path, "is not one of the policy's metrics", ", ".join(metrics), closest(name, metrics), value or show(name)
        )

    for name, path in _strategy_metrics(data.get("scale")).items():
        if name not in metrics:
            yield finding(path, name)
    feedback = data.get("feedback")
    sections = {("quality",): data.get("quality"), ("feedback", "healthy"): _get(feedback, "healthy")}
    for section_path, section in sections.items():
        for name, _ in _items(section):
            if name not in metrics:
                yield finding((*section_path, name), name)


def _get(section: Any, key: str) -> Any:
    return section.get(key) if isinstance(section, dict) else None


def _points(metric: Any) -> tuple[int, timedelta, timedelta] | None:
    """A metric's points in its window, with the window and the period."""
    period, window = _duration(metric, "period"), _duration(metric, "window")
    if not period or not window:
        return None
    return window // period, window, period


def _points_wanted(data: dict[str, Any], metrics: dict[str, Any]) -> Iterator[Finding]:
    """``for: 5 of 6`` needs a window of six periods."""
    scale = data.get("scale")
    named = (name if name in metrics else closest(name, metrics) for name in _strategy_metrics(scale))
    deciding = [name for name in named if name]
    if len(deciding) != 1 or (known := _points(metrics[deciding[0]])) is None:
        return
    there, window, period = known
    for path, value in _walk(scale, ("scale",)):
        if path[-1] != "for":
            continue
        try:
            wanted = parse_of(value)
        except (PydanticCustomError, ValidationError):
            continue
        if isinstance(wanted, OfPoints) and wanted.m > there:
            yield Finding(
                path,
                f"looks at {wanted.m} points, but metrics.{deciding[0]} has {there} "
                f"(window {format_duration(window)}, period {format_duration(period)})",
                f"at most {there} points, or a window of at least {format_duration(wanted.m * period)}",
            )


def _fresh_enough(data: dict[str, Any], metrics: dict[str, Any]) -> Iterator[Finding]:
    """A point is a period old when its period is over, and older by the settle offset when it is asked for."""
    for name, quality in _items(data.get("quality")):
        most, period = _duration(quality, "max_age"), _duration(metrics.get(name), "period")
        settle = _duration(metrics.get(name), "settle") or timedelta(0)
        if most is not None and period is not None and most < period + settle:
            least = format_duration(period + settle)
            yield Finding(
                ("quality", name, "max_age"), "no point can be this young: period and settle offset alone take "
                f"{least}", f"at least {least}"
            )  # fmt: skip


def _samples_wanted(data: dict[str, Any], metrics: dict[str, Any]) -> Iterator[Finding]:
    """An observation window shorter than ``min_samples`` periods could never conclude anything."""
    feedback = data.get("feedback")
    after, samples = _duration(feedback, "after"), _get(feedback, "min_samples")
    samples = 3 if samples is None else samples
    if not after or not isinstance(samples, int):
        return
    for name, _ in _items(_get(feedback, "healthy")):
        period = _duration(metrics.get(name), "period")
        if period and after // period < samples:
            yield Finding(
                ("feedback", "after"),
                f"has {after // period} periods of metrics.{name} ({format_duration(period)}), and min_samples is "
                f"{samples}: no change could ever be judged",
                f"at least {format_duration(samples * period)}",
            )
