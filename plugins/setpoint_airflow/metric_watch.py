"""Whether a metric has crossed a threshold: the one predicate behind :class:`MetricThresholdSensor` and its trigger.

A watch is a policy that changes nothing: the sections a person gives are read by the policy's own models, and pulled,
judged, aggregated and counted by the policy's own code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

from pydantic import ValidationError

from setpoint.model import MetricBatch, QualityReport, Signal, Verdict
from setpoint.policy.schema import OnDegraded, Policy
from setpoint.sources import SOURCES
from setpoint.sources.contract import Source
from setpoint.strategies.threshold import Above, Below, ThresholdConfig, tally

Require = Literal["all", "any"]
_METRIC = "metric"


class WatchError(ValueError):
    """A sensor's parameters do not make a watch. The message lists every problem with its path."""


@dataclass(frozen=True)
class TargetLook:
    """What one look said of one target."""

    target: str
    met: bool
    text: str


@dataclass(frozen=True)
class Look:
    """What one look said of all targets."""

    met: bool
    targets: tuple[TargetLook, ...]

    def to_json(self) -> dict[str, str]:
        """What was seen, by target: plain data for an XCom."""
        return {one.target: one.text for one in self.targets}


@dataclass(frozen=True)
class MetricWatch:
    """A threshold on one metric of some targets.

    :param policy: the sections, as a policy; only its metric, quality and scale are looked at.
    :param targets: the values of the metric's dimension.
    :param require: whether all targets must have crossed, or any of them.
    :param gate: whether points are judged first. Points that fail the gate count for nothing.
    """

    policy: Policy
    targets: tuple[str, ...]
    require: Require
    gate: bool

    @classmethod
    def of(
        cls,
        *,
        targets: str | Sequence[str],
        metric: Mapping[str, Any],
        rule: Mapping[str, Any],
        quality: Mapping[str, Any] | None,
        require: str,
        gate: bool,
        aws_conn_id: str,
        region_name: str | None,
    ) -> Self:
        """A watch from a sensor's parameters.

        :raises WatchError: something in them is wrong.
        """
        names = (targets,) if isinstance(targets, str) else tuple(targets)
        problems = [] if names and all(names) else ["targets: name at least one target, and no empty one"]
        if require not in ("all", "any"):
            problems.append(f"require: all or any; got {require!r}")
        if ("above" in rule) == ("below" in rule):
            problems.append(f"rule: has above or below, one of the two; got {sorted(rule)}")
            raise WatchError(_listed(problems))
        try:
            policy = Policy.model_validate(_as_policy(metric, rule, quality or {}, aws_conn_id, region_name))
        except ValidationError as error:
            raise WatchError(_listed([*problems, *_problems(error)])) from error
        wanted, there = _rule(policy).for_.m, policy.metrics[_METRIC].expected_points
        if wanted > there:
            problems.append(
                f"rule.for: looks at {wanted} points, but the metric's window has {there}; make the window longer"
            )
        if problems:
            raise WatchError(_listed(problems))
        return cls(policy=policy, targets=names, require="all" if require == "all" else "any", gate=gate)

    def look(self, sources: Mapping[str, Source], now: datetime) -> Look:
        """Pull, judge, count. A target without usable points has not crossed.

        :raises SourceError: the source could not answer; retryable or not.
        """
        from setpoint.sources.batches import BatchStore
        from setpoint.sources.pull import pull

        with TemporaryDirectory(prefix="setpoint-watch-") as folder:
            store = BatchStore(Path(folder))
            batch = pull(self.policy, self.targets, now, sources, store)
            report, signals = self._judged(batch, store, now)
        by_target = {signal.target: signal for signal in signals}
        looks = tuple(self._one(target, by_target.get(target), report) for target in self.targets)
        met = (all if self.require == "all" else any)(one.met for one in looks)
        return Look(met=met, targets=looks)

    def _judged(self, batch: MetricBatch, store: Any, now: datetime) -> tuple[QualityReport | None, Sequence[Signal]]:
        from setpoint.signals.aggregate import aggregate

        if not self.gate:
            return None, aggregate(store.read(batch), batch, self.policy)
        from setpoint.quality.judge import judge_stored

        report, frame = judge_stored(store, batch, self.policy, now)
        return report, () if frame is None else aggregate(frame, batch, self.policy)

    def _one(self, target: str, signal: Signal | None, report: QualityReport | None) -> TargetLook:
        if report is not None and (refused := self._refused(target, report)):
            return TargetLook(target, False, refused)
        if signal is None:
            return TargetLook(target, False, "no points")
        counted = tally(signal.points, _rule(self.policy))
        return TargetLook(target, counted.met, str(counted))

    def _refused(self, target: str, report: QualityReport) -> str | None:
        """Why a target's points may not be counted: as a policy may not scale out (above) or in (below) on them."""
        series = report.of(target)
        verdict = series[0].verdict if series else Verdict.FAIL
        lenient = self.policy.quality_of(_METRIC).on_degraded is OnDegraded.HOLD_SCALE_IN
        if verdict is Verdict.PASS or (
            verdict is Verdict.DEGRADED and lenient and isinstance(_rule(self.policy), Above)
        ):
            return None
        broken = [
            f"{check.expectation}: {check.observed}, allowed {check.allowed}" for one in series for check in one.broken
        ]
        return f"data {verdict.value}: {'; '.join([*report.frame_problems, *broken]) or 'nobody judged it'}"


def _as_policy(
    metric: Mapping[str, Any],
    rule: Mapping[str, Any],
    quality: Mapping[str, Any],
    connection: str,
    region: str | None,
) -> dict[str, Any]:
    direction, step = ("out", "add") if "above" in rule else ("in", "remove")
    return {
        "version": 1,
        "name": "metric-threshold-sensor",
        "owner": "sensor",
        # Only the connection and the region are used: a watch names its targets itself, of whatever kind they are.
        "targets": {
            "kind": "aws.autoscaling_group",
            "connection": connection,
            "region": region,
            "match": {"tags": {"watched": "by name"}},
        },
        "metrics": {_METRIC: dict(metric)},
        "quality": {_METRIC: dict(quality)},
        "scale": {"strategy": "threshold", "signal": {"metric": _METRIC}, direction: {**rule, step: 1}},
        "limits": {"min": 0, "max": 1},
        "feedback": {"after": "1m", "healthy": {_METRIC: {"min": 0}}},
    }


def _rule(policy: Policy) -> Above | Below:
    assert isinstance(policy.scale, ThresholdConfig)
    rule = policy.scale.out or policy.scale.in_
    assert rule is not None
    return rule


def _problems(error: ValidationError) -> list[str]:
    """Each problem at the sensor's own parameter rather than at the policy's place for it."""
    found = []
    for one in error.errors():
        got = "" if one["type"] == "missing" else f"; got {one['input']!r}"
        found.append(f"{_parameter(one['loc'])}: {one['msg']}{got}")
    return found


def _parameter(location: tuple[int | str, ...]) -> str:
    section, *rest = (str(part) for part in location)
    if section == "metrics":  # metrics.metric.<source>.key
        return ".".join(["metric", *(part for part in rest[1:] if part not in SOURCES)])
    if section == "quality":  # quality.metric.key
        return ".".join(["quality", *rest[1:]])
    if section == "scale":  # scale.threshold.out.key
        return ".".join(["rule", *rest[2:]])
    return {"connection": "aws_conn_id", "region": "region_name"}.get(rest[-1], section) if rest else section


def _listed(problems: Sequence[str]) -> str:
    return "\n".join(["the sensor's parameters are wrong:", *(f"- {problem}" for problem in problems)])
