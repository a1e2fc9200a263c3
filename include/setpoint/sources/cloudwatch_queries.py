"""Which calls ask CloudWatch for some metrics of some targets, and what each of their queries stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from setpoint.model import Window
from setpoint.sources.cloudwatch_math import rewritten
from setpoint.sources.cloudwatch_metric import CloudWatchMetric, Operand, dimension_problem

QUERIES_PER_CALL = 500
"""MetricDataQueries one GetMetricData call may hold (API reference, ``GetMetricData``,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html). It cannot be raised."""
POINTS_PER_CALL = 100_800
"""Points of an answer before it is cut into pages (the same page, ``MaxDatapoints``). Calls are planned to stay below:
an answer with metric math is not continued (``MetricDataResult``, ``StatusCode``), and small calls go side by side."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query stands for.

    ``target`` is ``None`` where the answer is for several: a selected metric, or an operand that all targets share.
    ``operand`` is the name of a query of an expression, and ``None`` where the query answers the metric itself.
    """

    metric: str
    target: str | None
    operand: str | None = None


@dataclass(frozen=True)
class Call:
    """One GetMetricData call, and its pages: queries over one window, and what each stands for, by its id."""

    window: Window
    queries: tuple[dict[str, Any], ...]
    asked: Mapping[str, Asked]
    points: int
    """Points a complete answer has."""
    selected: bool = False
    """Whether it is a Metrics Insights query."""

    def request(self) -> dict[str, Any]:
        """The arguments of ``get_metric_data``."""
        return {
            "MetricDataQueries": list(self.queries),
            "StartTime": self.window.start,
            "EndTime": self.window.end,
            "ScanBy": "TimestampAscending",
        }

    def __str__(self) -> str:
        first = next(one for one in self.asked.values() if one.operand is None)
        told = {(one.metric, one.target) for one in self.asked.values() if one.operand is None}
        of = f" of {first.target}" if first.target else ""
        more = f" and {len(told) - 1} more series" if len(told) > 1 else ""
        span = f"{self.window.start:%FT%TZ} to {self.window.end:%FT%TZ}"
        return f"CloudWatch GetMetricData of {first.metric}{of}{more}, {span}"


def plan_calls(metrics: Mapping[str, CloudWatchMetric], targets: Sequence[str], now: datetime) -> Iterator[Call]:
    """The calls that ask for every metric of every target: as few as hold 500 queries and 100,800 points each.

    Metrics of one window share calls. A target whose name cannot be a dimension's value is not asked for. A selected
    metric is a call of its own, since a call takes one Metrics Insights query.
    """
    askable = [target for target in dict.fromkeys(targets) if dimension_problem(target) is None]
    by_window: dict[Window, list[str]] = {}
    for metric, config in metrics.items():
        by_window.setdefault(config.window_at(now), []).append(metric)
    for window, names in by_window.items() if targets else ():
        plan = _Plan(window)
        for name in names:
            config = metrics[name]
            if config.form == "selected":
                yield _selected(window, name, config)
                continue
            for target in askable:
                yield from plan.add(name, config, target)
        yield from plan.rest()


def _selected(window: Window, name: str, config: CloudWatchMetric) -> Call:
    query = {"Id": "s0", "Expression": config.select, "Period": config.period_seconds}
    return Call(window, (query,), {"s0": Asked(name, None)}, config.expected_points, selected=True)


@dataclass
class _Plan:
    """The call being filled."""

    window: Window
    queries: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)
    points: int = 0
    shared: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids of the operands in this call that all targets share, by metric and operand."""

    def add(self, metric: str, config: CloudWatchMetric, target: str) -> Iterator[Call]:
        """Add one series, which stays together; a call that is full by then is given out first."""
        size = 1 + len(config.queries)
        points = size * config.expected_points
        if self.queries and (len(self.queries) + size > QUERIES_PER_CALL or self.points + points > POINTS_PER_CALL):
            yield from self.rest()
        if config.form == "named":
            self._put(Asked(metric, target), config, {"MetricStat": _named(config, target)}, config.account)
        else:
            self._computed(metric, config, target)

    def rest(self) -> Iterator[Call]:
        """Give out the call, if there is anything in it, and begin the next one."""
        if self.queries:
            yield Call(self.window, tuple(self.queries), self.asked, self.points)
        self.queries, self.asked, self.points, self.shared = [], {}, 0, {}

    def _computed(self, metric: str, config: CloudWatchMetric, target: str) -> None:
        ids = {}
        for name, operand in config.queries.items():
            if operand.per_target:
                ids[name] = self._operand(Asked(metric, target, name), config, operand)
            elif (metric, name) in self.shared:
                ids[name] = self.shared[metric, name]
            else:
                ids[name] = self.shared[metric, name] = self._operand(Asked(metric, None, name), config, operand)
        text = rewritten(str(config.expression), ids)
        self._put(Asked(metric, target), config, {"Expression": text, "Period": config.period_seconds})

    def _operand(self, asked: Asked, config: CloudWatchMetric, operand: Operand) -> str:
        own = {} if asked.target is None else {operand.dimension or config.dimension: asked.target}
        stat = _stat(
            operand.namespace,
            operand.name,
            {**own, **operand.dimensions},
            config.period_seconds,
            operand.statistic,
            operand.unit,
        )
        return self._put(asked, config, {"MetricStat": stat}, operand.account)

    def _put(self, asked: Asked, config: CloudWatchMetric, query: dict[str, Any], account: str | None = None) -> str:
        query_id = f"q{len(self.queries)}"
        self.queries.append({"Id": query_id, **query, **({"AccountId": account} if account else {})})
        self.asked[query_id] = asked
        self.points += config.expected_points
        return query_id


def _named(config: CloudWatchMetric, target: str) -> dict[str, Any]:
    dimensions = {config.dimension: target, **config.dimensions}
    return _stat(
        str(config.namespace),
        str(config.name),
        dimensions,
        config.period_seconds,
        str(config.statistic),
        config.query_unit,
    )


def _stat(
    namespace: str, name: str, dimensions: Mapping[str, str], period_seconds: int, statistic: str, unit: str | None
) -> dict[str, Any]:
    return {
        "Metric": {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        },
        "Period": period_seconds,
        "Stat": statistic,
        **({} if unit is None else {"Unit": unit}),
    }
