"""GetMetricData: what AWS checks, how it aligns time, and how it pages."""

import re
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from setpoint.lab.aws.environment import Environment
from setpoint.lab.aws.errors import InvalidNextToken, ValidationError
from setpoint.lab.aws.insights import is_select
from setpoint.lab.aws.statistics import aggregate, is_statistic
from setpoint.lab.aws.store import HIGH_RESOLUTION_KEPT_SECONDS, MetricKey, MetricStore

# Limits: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
MAX_EXPRESSION = 2_048
TOKENS_KEPT = 200
HIGH_RESOLUTION_PERIODS = (1, 5, 10, 20, 30)
_ID = re.compile(r"^[a-z][a-zA-Z0-9_]*$")


@dataclass(frozen=True)
class StatQuery:
    """One MetricStat of a request."""

    query_id: str
    label: str
    key: MetricKey
    statistic: str
    period_seconds: int
    unit: str | None = None
    return_data: bool = True
    account_id: str | None = None


@dataclass(frozen=True)
class ExpressionQuery:
    """One Expression of a request: metric math over its other queries, or a Metrics Insights query."""

    query_id: str
    label: str
    expression: str
    period_seconds: int
    return_data: bool = True

    @property
    def selects(self) -> bool:
        """Whether it is a Metrics Insights query."""
        return is_select(self.expression)


Query = StatQuery | ExpressionQuery


@dataclass(frozen=True)
class QueryResult:
    """The points of one query; `times` are epoch seconds."""

    query_id: str
    label: str
    times: list[float]
    values: list[float]
    status_code: str = "Complete"
    messages: tuple[tuple[str, str], ...] = ()

    def reversed(self) -> "QueryResult":
        """The same with its newest point first."""
        return replace(self, times=self.times[::-1], values=self.values[::-1])


def check_period(period: int | None, parameter: str) -> int:
    """Return the period when CloudWatch knows it.

    :raises ValidationError: when it is not 1, 5, 10, 20, 30 or a multiple of 60 seconds.
    """
    if period is None:
        raise ValidationError(f"The parameter {parameter} is required.\n")
    if period not in HIGH_RESOLUTION_PERIODS and (period <= 0 or period % 60):
        raise ValidationError(
            f"Invalid value '{period}' for parameter {parameter}: "
            "a period must be 1, 5, 10, 20, 30, or any multiple of 60 seconds."
        )
    return period


def parse_queries(raw: Sequence[Mapping[str, Any]]) -> list[Query]:
    """Check the queries of a request and return them.

    :raises ValidationError: as the API would, for the first thing that is wrong.
    """
    if not raw:
        raise ValidationError("The parameter MetricDataQueries is required.\n")
    if len(raw) > MAX_QUERIES:
        raise ValidationError(f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}.")
    queries = [_parse(query, f"MetricDataQueries.member.{number}") for number, query in enumerate(raw, start=1)]
    seen: set[str] = set()
    for query in queries:
        if query.query_id in seen:
            raise ValidationError(f"The values for parameter id in MetricDataQueries are not unique: {query.query_id}")
        seen.add(query.query_id)
    period = min((query.period_seconds for query in queries if isinstance(query, StatQuery)), default=60)
    return [
        replace(query, period_seconds=query.period_seconds or period) if isinstance(query, ExpressionQuery) else query
        for query in queries
    ]


def _parse(raw: Mapping[str, Any], where: str) -> Query:
    query_id = str(raw.get("Id") or "")
    if not _ID.match(query_id):
        raise ValidationError(
            f"The value {query_id} for parameter {where}.Id is not matching the expected pattern {_ID.pattern}"
        )
    if "Expression" in raw and "MetricStat" in raw:
        raise ValidationError(f"The parameters {where}.Expression and {where}.MetricStat are mutually exclusive.\n")
    if "Expression" not in raw and "MetricStat" not in raw:
        raise ValidationError(f"The parameter {where}.MetricStat is required.\n")
    if "Expression" in raw:
        return _parse_expression(query_id, raw, where)
    return _parse_stat(query_id, raw, where)


def _parse_expression(query_id: str, raw: Mapping[str, Any], where: str) -> ExpressionQuery:
    expression, period = str(raw["Expression"]), raw.get("Period")
    if not 1 <= len(expression) <= MAX_EXPRESSION:
        raise ValidationError(f"The length of {where}.Expression must be between 1 and {MAX_EXPRESSION}.")
    if period is None and is_select(expression):
        raise ValidationError(f"The parameter {where}.Period is required for a Metrics Insights query.\n")
    return ExpressionQuery(
        query_id=query_id,
        label=raw.get("Label") or query_id,
        expression=expression,
        period_seconds=0 if period is None else check_period(period, f"{where}.Period"),
        return_data=bool(raw.get("ReturnData", True)),
    )


def _parse_stat(query_id: str, raw: Mapping[str, Any], where: str) -> StatQuery:
    stat = raw["MetricStat"]
    metric = stat.get("Metric") or {}
    for name in ("Namespace", "MetricName"):
        if not metric.get(name):
            raise ValidationError(f"The parameter {where}.MetricStat.Metric.{name} is required.\n")
    statistic = str(stat.get("Stat") or "")
    if not is_statistic(statistic):
        raise ValidationError(f"The value {statistic} for parameter {where}.MetricStat.Stat is not supported.")
    key = metric_key(metric["Namespace"], metric["MetricName"], metric.get("Dimensions") or [])
    return StatQuery(
        query_id=query_id,
        label=raw.get("Label") or f"{key.name}",
        key=key,
        statistic=statistic,
        period_seconds=check_period(stat.get("Period"), f"{where}.MetricStat.Period"),
        unit=stat.get("Unit"),
        return_data=bool(raw.get("ReturnData", True)),
        account_id=raw.get("AccountId"),
    )


def metric_key(namespace: str, name: str, dimensions: Sequence[Mapping[str, Any]]) -> MetricKey:
    """Return the key of a metric as the API writes it."""
    return MetricKey.of(namespace, name, ((str(pair["Name"]), str(pair["Value"])) for pair in dimensions))


def answer(query: StatQuery, store: MetricStore, environment: Environment, start: float, end: float) -> QueryResult:
    """Compute one metric over the points that start in `[start, end)`, with start rounded down as AWS does."""
    resolution = query.period_seconds if query.period_seconds < 60 else 60
    begin = start // resolution * resolution
    if query.period_seconds < 60:
        begin = max(begin, environment.clock.now() - HIGH_RESOLUTION_KEPT_SECONDS)
    first_period = -(-begin // query.period_seconds) * query.period_seconds
    last = -(-end // query.period_seconds) * query.period_seconds
    wrong_unit = query.unit is not None and not store.has_unit(query.key, query.unit)
    columns = store.read(query.key, first_period, first_period if wrong_unit else max(first_period, last))
    points = aggregate(columns, query.statistic, query.period_seconds)
    times, values = points.times.tolist(), points.values.tolist()
    result = QueryResult(query.query_id, query.label, times, values)
    return _with_faults(result, environment.metric_status(query.key.dimension("AutoScalingGroupName")))


def _with_faults(result: QueryResult, status: str | None) -> QueryResult:
    if status is None:
        return result
    kept = len(result.times) // 2 if status == "PartialData" else 0
    message = {
        "PartialData": "An incomplete set of data points was returned.",
        "InternalError": "An error occurred while the data points were read; retry the request.",
        "Forbidden": "You are not authorized to read this metric.",
    }[status]
    return replace(
        result,
        times=result.times[:kept],
        values=result.values[:kept],
        status_code=status,
        messages=((status, message),),
    )


class Pager:
    """Splits answers into pages of at most `MaxDatapoints` points; a token stands for what is left."""

    def __init__(self) -> None:
        self._rest: OrderedDict[str, list[QueryResult]] = OrderedDict()

    def resume(self, token: str) -> list[QueryResult]:
        """Return what an earlier page left over; a token can be asked for again, as on AWS.

        :raises InvalidNextToken: when the token is not known.
        """
        if token not in self._rest:
            raise InvalidNextToken
        return self._rest[token]

    def page(self, results: list[QueryResult], max_datapoints: int) -> tuple[list[QueryResult], str | None]:
        """Return the first page of the results and the token of the next, None when this is all."""
        page: list[QueryResult] = []
        rest: list[QueryResult] = []
        room = max_datapoints
        for result in results:
            taken = min(room, len(result.times))
            room -= taken
            if taken == len(result.times):
                page.append(result)
                continue
            page.append(
                replace(result, times=result.times[:taken], values=result.values[:taken], status_code="PartialData")
            )
            rest.append(replace(result, times=result.times[taken:], values=result.values[taken:]))
        if not rest:
            return page, None
        token = uuid.uuid4().hex
        self._rest[token] = rest
        while len(self._rest) > TOKENS_KEPT:
            self._rest.popitem(last=False)
        return page, token
