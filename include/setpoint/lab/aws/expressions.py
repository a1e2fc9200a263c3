"""The queries of one GetMetricData call together: metrics, metric math over them, and Metrics Insights."""

from collections.abc import Mapping, Sequence

from setpoint.lab.aws.environment import Environment
from setpoint.lab.aws.errors import ValidationError
from setpoint.lab.aws.insights import select
from setpoint.lab.aws.metric_math import Series, compute
from setpoint.lab.aws.queries import ExpressionQuery, Query, QueryResult, StatQuery, answer
from setpoint.lab.aws.store import MetricStore

_WORST = ("Complete", "PartialData", "InternalError", "Forbidden")


def has_math(queries: Sequence[Query]) -> bool:
    """Tell whether there is metric math among the queries: then an answer is not continued on another page."""
    return any(isinstance(query, ExpressionQuery) and not query.selects for query in queries)


def answers(
    queries: Sequence[Query],
    store: MetricStore,
    environment: Environment,
    start: float,
    end: float,
    *,
    account_id: str,
    descending: bool,
) -> list[QueryResult]:
    """The results of those queries that return data, in their order.

    :raises ValidationError: for an expression that is not understood, or more than one Metrics Insights query.
    """
    if sum(isinstance(query, ExpressionQuery) and query.selects for query in queries) > 1:
        raise ValidationError("A GetMetricData operation can include only one Metrics Insights query.")
    reading = _Reading({query.query_id: query for query in queries}, store, environment, start, end, account_id)
    found = [result for query in queries if query.return_data for result in reading.results(query)]
    return [result.reversed() for result in found] if descending else found


class _Reading:
    """One call being answered; each query is computed once."""

    def __init__(
        self,
        queries: Mapping[str, Query],
        store: MetricStore,
        environment: Environment,
        start: float,
        end: float,
        account_id: str,
    ) -> None:
        self._queries, self._store, self._environment = queries, store, environment
        self._start, self._end, self._account_id = start, end, account_id
        self._done: dict[str, list[QueryResult]] = {}
        self._under_way: list[str] = []

    def results(self, query: Query) -> list[QueryResult]:
        """A query's results: one, or of a Metrics Insights query one for each group."""
        if query.query_id not in self._done:
            if query.query_id in self._under_way:
                raise ValidationError(f"Error in expression '{query.query_id}': it depends on itself")
            self._under_way.append(query.query_id)
            self._done[query.query_id] = self._computed(query)
            self._under_way.pop()
        return self._done[query.query_id]

    def _computed(self, query: Query) -> list[QueryResult]:
        if isinstance(query, StatQuery):
            if query.account_id not in (None, self._account_id):
                # A link to another account needs a monitoring account, which the practice AWS is not.
                text = f"Account {query.account_id} is not linked to this one."
                return [QueryResult(query.query_id, query.label, [], [], "Forbidden", (("Forbidden", text),))]
            return [answer(query, self._store, self._environment, self._start, self._end)]
        return self._selected(query) if query.selects else [self._math(query)]

    def _selected(self, query: ExpressionQuery) -> list[QueryResult]:
        groups, more = select(query.expression, self._store, self._start, self._end, query.period_seconds)
        code = "PartialData" if more else "Complete"
        return [QueryResult(query.query_id, one.label, one.times, one.values, code) for one in groups]

    def _math(self, query: ExpressionQuery) -> QueryResult:
        used: list[QueryResult] = []

        def of(query_id: str) -> Series:
            found = self.results(self._queries[query_id])
            used.extend(found)
            if len(found) != 1:
                raise ValidationError(f"Error in expression '{query.query_id}': {query_id} is not a single time series")
            return dict(zip(found[0].times, found[0].values, strict=True))

        computed = compute(query.query_id, query.expression, query.period_seconds, of)
        dropped = "One or more data-points have been dropped due to non-numeric values (NaN, -Infinite, +Infinite)"
        return QueryResult(
            query.query_id,
            query.label,
            list(computed.series),
            list(computed.series.values()),
            max((one.status_code for one in used), key=_WORST.index, default="Complete"),
            (("ArithmeticError", dropped),) if computed.dropped else (),
        )
