"""``prometheus``: range queries over the HTTP API of Prometheus, and of what answers like it (Thanos, Mimir, ...).

https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from setpoint.model import Window
from setpoint.sources.contract import Fetched, MetricConfig
from setpoint.sources.http_messages import HttpRequest
from setpoint.sources.http_session import Http, HttpSession
from setpoint.sources.prometheus_metric import PrometheusMetric
from setpoint.sources.promql import Parts, Placeholder, render

if TYPE_CHECKING:
    from setpoint.sources.prometheus_answer import Matrix

__all__ = ["PrometheusMetric", "PrometheusSource"]

POINTS_PER_SERIES = 11_000
"""Steps one range query may have ("exceeded maximum resolution of 11,000 points per timeseries")."""
POINTS_PER_CALL = 100_000
"""Points asked for at once, where the query can be asked for some of the fleet: so large an answer is read at once."""
TARGETS_PER_CALL = 500
_AGAIN_ON = frozenset({429, 502, 504})
"""Not 503: it is also what a query answers that took too long, and asking it again only makes that worse."""


@dataclass(frozen=True)
class Piece:
    """One metric of some targets, over as many periods as one query may have."""

    metric: str
    config: PrometheusMetric
    names: Mapping[str, Sequence[int]]
    """What Prometheus calls the targets asked for, and their places in the fleet."""
    window: Window

    def request(self, query: str, seconds: float) -> HttpRequest:
        """A range query that is evaluated at the end of each period.

        :param seconds: how long the server may take.
        """
        window, period = self.window, self.config.period
        return HttpRequest(
            path="api/v1/query_range",
            method="POST",
            form=(
                ("query", query),
                ("start", f"{(window.start + period).timestamp():.0f}"),
                ("end", f"{window.end.timestamp():.0f}"),
                ("step", f"{self.config.period_seconds}"),
                ("timeout", f"{max(1, int(seconds))}s"),
            ),
            what=f"Prometheus query_range of {self.metric}, {window.start:%FT%TZ} to {window.end:%FT%TZ}",
            again_on=_AGAIN_ON,
        )

    def query(self, parts: Parts) -> str:
        """The text of a query for these targets."""
        return render(parts, self.names, self.config.period)

    def samples_query(self, selector: Parts) -> str:
        """Whether each period has any sample of a selector, by target."""
        counted = render((*selector, "[", Placeholder.PERIOD, "]"), self.names, self.config.period)
        return f"count by ({self.config.label}) (count_over_time({counted}))"


class PrometheusSource:
    """Reads Prometheus.

    :param session: the server, as the policy's connection names it.
    """

    connection_type: ClassVar[str | None] = "http"
    Config: ClassVar[type[MetricConfig]] = PrometheusMetric
    permissions: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = (
        "run query in Prometheus' own page over the window: its selectors are to match, label is to hold the target's "
        "name, and samples are to come at least once a period"
    )

    def __init__(self, session: HttpSession) -> None:
        self._session = session

    def fetch(self, metrics: Mapping[str, PrometheusMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target, each over its own ``window_at(now)``.

        A point's value is the query's at the end of its period, and its time the period's start. A period in which no
        sample came has no point, however far back the query looks. A series is partial when Prometheus warned; it is an
        error when the query cannot be evaluated, or is answered by several series of the same target.

        :raises SourceError: Prometheus could not be asked; retryable when it throttled, failed or did not answer in
            time.
        """
        from setpoint.sources.collected import Collected
        from setpoint.sources.prometheus_answer import collect

        collected = Collected(metrics, targets, now)
        pieces = list(plan(metrics, collected.targets, now))
        for piece, answers in zip(
            pieces, self._session.gather([partial(self._ask, one) for one in pieces]), strict=True
        ):
            collect(collected, piece, answers)
        return collected.fetched()

    async def _ask(self, piece: Piece, http: Http) -> list[Matrix]:
        """The answer to the query, and after it those that say where there were samples."""
        from setpoint.sources.prometheus_answer import read_answer

        promql = piece.config.promql
        queries = [piece.query(promql.parts), *map(piece.samples_query, promql.older)]
        answers: list[Matrix] = []
        for query in queries:
            request = piece.request(query, self._session.limits.read_seconds)
            answers.append(read_answer(await http.send(request), self._session.name, request, piece))
            if answers[-1].refused:
                break
        return answers


def plan(metrics: Mapping[str, PrometheusMetric], targets: Sequence[str], now: datetime) -> Iterator[Piece]:
    """What to ask: as few queries as the server's limits, and ours, allow."""
    for metric, config in metrics.items():
        names = list(config.codes_of(targets).items())
        at_once = len(names)
        if config.promql.names_targets:
            at_once = max(1, min(TARGETS_PER_CALL, POINTS_PER_CALL // config.expected_points))
        for window in _spans(config, config.window_at(now)):
            for first in range(0, len(names), at_once or 1):
                yield Piece(metric, config, dict(names[first : first + at_once]), window)


def _spans(config: PrometheusMetric, window: Window) -> Iterator[Window]:
    start = window.start
    while start < window.end:
        end = min(window.end, start + POINTS_PER_SERIES * config.period)
        yield Window(start=start, end=end)
        start = end
