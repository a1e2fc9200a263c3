"""Which calls ask CloudWatch for some metrics of some targets, and what each of their queries stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from setpoint.model import Window
from setpoint.sources.cloudwatch_math import rewritten
from setpoint.sources.cloudwatch_metric import CloudWatchMetric, dimension_problem
from setpoint.sources.cloudwatch_written import WrittenQueries, query_parts

QUERIES_PER_CALL = 500
"""MetricDataQueries one GetMetricData call may hold (API reference, ``GetMetricData``,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html). It cannot be raised."""
POINTS_PER_CALL = 100_800
"""Points of an answer before it is cut into pages (the same page, ``MaxDatapoints``). Calls are planned to stay below:
an answer with metric math is not continued (``MetricDataResult``, ``StatusCode``), and small calls go side by side."""


class Asked(NamedTuple):
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
    queries: WrittenQueries
    asked: Mapping[str, Asked]
    points: int
    """Points a complete answer has; of a selected metric, those of each series."""
    selected: bool = False
    """Whether it is a Metrics Insights query."""

    def request(self) -> dict[str, Any]:
        """The arguments of ``get_metric_data``, of a client given to ``send_as_written``."""
        return {
            "MetricDataQueries": self.queries,
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

    Metrics of one window share calls. A target whose name there cannot be a dimension's value is not asked
    for. A selected
    metric is a call of its own, since a call takes one Metrics Insights query.
    """
    by_window: dict[Window, list[str]] = {}
    for metric, config in metrics.items():
        by_window.setdefault(config.window_at(now), []).append(metric)
    for window, names in by_window.items() if targets else ():
        plan = _Plan(window)
        for name in names:
            config = metrics[name]
            if config.form == "selected":
                yield _selected(window, name, config)
            elif config.form == "named":
                yield from plan.add_named(name, config, _quoted(config, targets))
            else:
                yield from plan.add_computed(name, config, _quoted(config, targets))
        yield from plan.rest()


def _quoted(config: CloudWatchMetric, targets: Sequence[str]) -> dict[str, str]:
    """What CloudWatch calls the targets that can be asked for, as JSON, by their own names."""
    names = {target: config.name_of(target) for target in targets}
    return {target: json.dumps(name) for target, name in names.items() if dimension_problem(name) is None}


def _selected(window: Window, name: str, config: CloudWatchMetric) -> Call:
    text = json.dumps({"Id": "s0", "Expression": config.select, "Period": config.period_seconds})
    return Call(window, WrittenQueries([text]), {"s0": Asked(name, None)}, config.expected_points, selected=True)


@dataclass
class _Plan:
    """The call being filled. Targets come with what CloudWatch calls them, as JSON."""

    window: Window
    texts: list[str] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)
    points: int = 0
    shared: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids of the operands in this call that all targets share, by metric and operand."""

    def add_named(self, metric: str, config: CloudWatchMetric, targets: Mapping[str, str]) -> Iterator[Call]:
        """Add a metric's series. A call that is full is given out."""
        before, after = _named(config)
        points = config.expected_points
        for target, quoted in targets.items():
            yield from self._full(1, points)
            self._put(Asked(metric, target), f"{before}{quoted}{after}", points)

    def add_computed(self, metric: str, config: CloudWatchMetric, targets: Mapping[str, str]) -> Iterator[Call]:
        """Add an expression's series, each together with those it is computed of. A call that is full is given out."""
        operands = {name: _operand(config, name) for name in config.queries}
        points, expression = config.expected_points, str(config.expression)
        for target, quoted in targets.items():
            yield from self._full(1 + len(operands), points)
            ids = {}
            for name, (before, after) in operands.items():
                if config.queries[name].per_target:
                    ids[name] = self._put(Asked(metric, target, name), f"{before}{quoted}{after}", points)
                    continue
                if (metric, name) not in self.shared:
                    self.shared[metric, name] = self._put(Asked(metric, None, name), before, points)
                ids[name] = self.shared[metric, name]
            written = json.dumps({"Expression": rewritten(expression, ids), "Period": config.period_seconds})
            self._put(Asked(metric, target), written[1:], points)

    def rest(self) -> Iterator[Call]:
        """Give out the call, if there is anything in it, and begin the next one."""
        if self.texts:
            yield Call(self.window, WrittenQueries(self.texts), self.asked, self.points)
        self.texts, self.asked, self.points, self.shared = [], {}, 0, {}

    def _full(self, queries: int, points: int) -> Iterator[Call]:
        """Give out the call when there is no room for so many more queries of so many points each."""
        more = self.points + queries * points
        if self.texts and (len(self.texts) + queries > QUERIES_PER_CALL or more > POINTS_PER_CALL):
            yield from self.rest()

    def _put(self, asked: Asked, text: str, points: int) -> str:
        query_id = f"q{len(self.texts)}"
        self.texts.append(f'{{"Id": "{query_id}", {text}')
        self.asked[query_id] = asked
        self.points += points
        return query_id


def _named(config: CloudWatchMetric) -> tuple[str, str]:
    return query_parts(
        namespace=str(config.namespace),
        name=str(config.name),
        own=config.dimension,
        dimensions=config.dimensions,
        period_seconds=config.period_seconds,
        statistic=str(config.statistic),
        unit=config.query_unit,
        account=config.account,
    )


def _operand(config: CloudWatchMetric, name: str) -> tuple[str, str]:
    operand = config.queries[name]
    return query_parts(
        namespace=operand.namespace,
        name=operand.name,
        own=(operand.dimension or config.dimension) if operand.per_target else None,
        dimensions=operand.dimensions,
        period_seconds=config.period_seconds,
        statistic=operand.statistic,
        unit=operand.unit,
        account=operand.account,
    )
