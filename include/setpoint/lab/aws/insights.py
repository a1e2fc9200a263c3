"""Metrics Insights: `SELECT AVG(metric) FROM SCHEMA(...) WHERE ... GROUP BY dimension` over the store.

"Metrics Insights query components and syntax" and "Metrics Insights limits" (CloudWatch user guide). Of WHERE, `=` and
`!=` joined by AND; ORDER BY is taken and changes nothing but what LIMIT and the 500 series leave.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from setpoint.lab.aws.errors import ValidationError
from setpoint.lab.aws.statistics import aggregate
from setpoint.lab.aws.store import Columns, MetricKey, MetricStore

MOST_SERIES = 500
MOST_METRICS = 10_000
_STATISTICS = {"AVG": "Average", "COUNT": "SampleCount", "MAX": "Maximum", "MIN": "Minimum", "SUM": "Sum"}
_NAME = r'(?:"[^"]+"|[A-Za-z_][\w.]*)'
_QUERY = re.compile(
    rf"\s*SELECT\s+(?P<function>\w+)\s*\(\s*(?P<metric>{_NAME})\s*\)\s+"
    rf"FROM\s+(?:SCHEMA\s*\(\s*(?P<schema>{_NAME}(?:\s*,\s*{_NAME})*)\s*\)|(?P<namespace>{_NAME}))"
    rf"(?:\s+WHERE\s+(?P<where>.+?))?"
    rf"(?:\s+GROUP\s+BY\s+(?P<group>{_NAME}))?"
    r"(?:\s+ORDER\s+BY\s+\w+\s*\(\s*\)(?:\s+(?:ASC|DESC))?)?"
    r"(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(rf"\s*(?P<key>{_NAME})\s*(?P<sign>=|!=)\s*'(?P<value>(?:[^']|'')*)'\s*")


@dataclass(frozen=True)
class Group:
    """One series of an answer: its label is the value of the dimension it was grouped by."""

    label: str
    times: list[float]
    values: list[float]


def is_select(expression: str) -> bool:
    """Tell whether an expression is a Metrics Insights query, and not metric math."""
    return re.match(r"\s*SELECT\s", expression, re.IGNORECASE) is not None


def select(query: str, store: MetricStore, start: float, end: float, period_seconds: int) -> tuple[list[Group], bool]:
    """Carry a query out over the points that start in `[start, end)`.

    :returns: the groups, and whether there was more than one query answers.
    :raises ValidationError: for a query that is not understood.
    """
    match = _QUERY.fullmatch(query)
    if match is None or match["function"].upper() not in _STATISTICS:
        raise ValidationError(f"Error in Metrics Insights query: not understood: {query}")
    found = [key for key in store.metrics() if _fits(key, match)]
    columns: dict[str, list[Columns]] = {}
    for key in found[:MOST_METRICS]:
        label = (key.dimension(_plain(match["group"])) if match["group"] else key.name) or ""
        columns.setdefault(label, []).append(store.read(key, start, end))
    statistic = _STATISTICS[match["function"].upper()]
    groups = []
    for label, parts in columns.items():
        points = aggregate(_joined(parts), statistic, period_seconds)
        if points.times.size:
            groups.append(Group(label, points.times.tolist(), points.values.tolist()))
    most = min(MOST_SERIES, int(match["limit"] or MOST_SERIES))
    return groups[:most], len(groups) > MOST_SERIES or len(found) > MOST_METRICS


def _fits(key: MetricKey, match: re.Match[str]) -> bool:
    dimensions = dict(key.dimensions)
    if match["schema"]:
        namespace, *names = [_plain(one) for one in re.findall(_NAME, match["schema"])]
        if set(names) != set(dimensions):
            return False
    else:
        namespace = _plain(match["namespace"])
    group = _plain(match["group"]) if match["group"] else None
    return (
        (key.namespace, key.name) == (namespace, _plain(match["metric"]))
        and (group is None or group in dimensions)
        and all(_holds(one, dimensions) for one in _conditions(match["where"]))
    )


def _conditions(where: str | None) -> Sequence[re.Match[str]]:
    found = [_CONDITION.fullmatch(one) for one in re.split(r"\bAND\b", where or "", flags=re.IGNORECASE) if one.strip()]
    if None in found:
        raise ValidationError(f"Error in Metrics Insights query: WHERE is not understood: {where}")
    return [one for one in found if one is not None]


def _holds(condition: re.Match[str], dimensions: Mapping[str, str]) -> bool:
    same = dimensions.get(_plain(condition["key"])) == condition["value"].replace("''", "'")
    return same if condition["sign"] == "=" else not same


def _plain(name: str) -> str:
    return name.strip().strip('"')


def _joined(parts: Sequence[Columns]) -> Columns:
    times = np.concatenate([one.times for one in parts])
    order = np.argsort(times, kind="stable")
    fields = ("times", "counts", "totals", "minima", "maxima")
    return Columns(*(np.concatenate([getattr(one, name) for one in parts])[order] for name in fields))
