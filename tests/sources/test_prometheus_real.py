"""``prometheus`` against a real Prometheus: its history, its staleness, its refusals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from worlds.real_prometheus import PASSWORD, USER, Exporter, RealPrometheus

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.http_session import HttpSession
from setpoint.sources.prometheus import PrometheusMetric, PrometheusSource
from setpoint.sources.promql import quoted

pytestmark = pytest.mark.prometheus

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
START = datetime(2026, 3, 1, 11, 50, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PATIENCE_SECONDS = 60.0
STRANGE = (
    'say "hi"',
    "it's",
    "back\\slash",
    "a|b",
    ".*",
    "(",
    "two  spaces",
    "кухня",
    "{{ 7*7 }}",
    "50%",
    "$1",
    "^web$",
)


def samples(metric: str, group: str, values: dict[float, float], **labels: str) -> list[str]:
    """OpenMetrics lines: values by minutes since START."""
    pairs = ",".join(f"{name}={quoted(value)}" for name, value in {"group": group, **labels}.items())
    return [f"{metric}{{{pairs}}} {value} {START.timestamp() + 60 * at}" for at, value in values.items()]


def history() -> Iterator[str]:
    """What the server knows of ten minutes in March; samples come in the middle of each minute, as a rule."""
    whole = {at + 0.5: 50.0 + at for at in range(-6, 16)}
    yield "# TYPE load gauge"
    for name in ("web", *STRANGE):
        yield from samples("load", name, whole)
    yield from samples("load", "gap", {at: value for at, value in whole.items() if not 3 <= at < 6})
    yield from samples("load", "odd", {0.5: math.nan, 1.5: math.inf, 2.5: -math.inf, 3.5: 1.0})
    yield "# TYPE edge gauge"
    yield from samples("edge", "web", {5.0: 7.0})
    yield "# TYPE twice gauge"
    yield from samples("twice", "web", {at + 0.5: 10.0 for at in range(10)}, instance="one")
    yield from samples("twice", "web", {at + 0.5: 20.0 for at in range(10)}, instance="two")
    yield "# TYPE requests counter"
    alive = {at / 4: 15.0 * at for at in range(-24, 20)}
    yield from samples("requests_total", "web", alive)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """What the server scrapes."""
    with Exporter() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter) -> Iterator[RealPrometheus]:
    """The server of all tests here."""
    with RealPrometheus(tmp_path_factory.mktemp("prometheus"), history(), exporter.address) as started:
        yield started


@pytest.fixture
def session(server: RealPrometheus) -> HttpSession:
    """How to speak to it."""
    return HttpSession(server.url, name="prometheus_test", login=(USER, PASSWORD))


def metric(query: str, **keys: Any) -> PrometheusMetric:
    common = {"source": "prometheus", "connection": "prometheus_test", "label": "group"}
    return PrometheusMetric.model_validate({**common, "period": "1m", "window": "10m", "query": query, **keys})


def fetch(
    session: HttpSession, query: str, targets: Sequence[str] = ("web",), now: datetime = NOW, **keys: Any
) -> Fetched:
    return PrometheusSource(session).fetch({"load": metric(query, **keys)}, targets, now)


def points(fetched: Fetched, target: str = "web") -> dict[float, float]:
    """Values by minutes since START."""
    own = fetched.frame[fetched.frame["target"] == target]
    times = [(cast(Any, at).to_pydatetime() - START) / MINUTE for at in own["timestamp"]]
    return dict(zip(times, own["value"], strict=True))


def status(fetched: Fetched, target: str = "web") -> SeriesStatus:
    (found,) = [one for one in fetched.series if one.target == target]
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


LOAD = "avg by (group) (avg_over_time(load{group=~$targets}[$period]))"


def test_a_period_has_the_samples_that_came_in_it(session: HttpSession) -> None:
    """Ten minutes, ten points, each the value of its own minute, at the minute's start."""
    fetched = fetch(session, LOAD)
    assert points(fetched) == {at: 50.0 + at for at in range(10)}
    assert (status(fetched).status, status(fetched).messages) == (Completeness.COMPLETE, ())


def test_a_gap_stays_a_gap(session: HttpSession) -> None:
    """Three silent minutes have no points, though Prometheus would look back five."""
    fetched = fetch(session, LOAD, ("gap", "web"))
    assert set(points(fetched, "gap")) == set(range(10)) - {3, 4, 5}
    assert len(points(fetched, "web")) == 10


def test_a_sample_on_the_border_counts_once(session: HttpSession) -> None:
    """A sample at 11:55:00 sharp is the last of the minute before, and not the first of the next as well."""
    assert points(fetch(session, "last_over_time(edge[$period])")) == {4.0: 7.0}


def test_names_are_only_names(session: HttpSession) -> None:
    """Whatever a target is called, its series is found, and a pattern in a name matches nobody else."""
    fetched = fetch(session, LOAD, STRANGE)
    assert {name: len(points(fetched, name)) for name in STRANGE} == dict.fromkeys(STRANGE, 10)


def test_hostile_names_find_nothing(session: HttpSession) -> None:
    """A name made to end the string or the selector selects nothing, and harms nobody."""
    hostile = ('"} or load{group="web', "web|gap", "[a-z]+", "line\nbreak", "nul\0", "\U0001f600")
    fetched = fetch(session, LOAD, (*hostile, "web"))
    assert {name: status(fetched, name).points for name in hostile} == dict.fromkeys(hostile, 0)
    assert len(points(fetched)) == 10


def test_odd_values_are_told_as_they_are(session: HttpSession) -> None:
    """NaN and the infinities come through, for the gate to judge; they are not dropped here."""
    found = points(fetch(session, LOAD, ("odd",)), "odd")
    assert math.isnan(found[0.0])
    assert (found[1.0], found[2.0], found[3.0]) == (math.inf, -math.inf, 1.0)


def test_a_long_range_does_not_outlive_its_samples(session: HttpSession) -> None:
    """The counter's last sample came in minute 4; rate over five minutes would go on to minute 9, and may not."""
    query = "sum by (group) (rate(requests_total{group=~$targets}[5m]))"
    fetched = fetch(session, query)
    assert set(points(fetched)) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert list(points(fetched).values()) == pytest.approx([1.0] * 5)
    assert "came no sample" in status(fetched).messages[0]


def test_several_series_of_a_target_are_an_error(session: HttpSession) -> None:
    """Which of them would be the target's value? Nobody says, so none is used, and the way out is named."""
    found = fetch(session, "avg_over_time(twice{group=~$targets}[$period])")
    assert (status(found).status, points(found)) == (Completeness.ERROR, {})
    assert "avg by (group)" in status(found).messages[0]


def test_a_lost_label_is_an_error(session: HttpSession) -> None:
    """A query that aggregates the label away cannot be told from one without data, unless it is told."""
    found = fetch(session, "sum(avg_over_time(load{group=~$targets}[$period]))")
    assert (status(found).status, points(found)) == (Completeness.ERROR, {})
    assert "no series of the answer has a label group" in status(found).messages[0]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("averageovertime(load[$period])", "bad_data"),
        ("avg_over_time(load[$period]) * on() avg_over_time(load[$period])", "execution"),
    ],
)
def test_what_prometheus_refuses_fails_one_metric_only(session: HttpSession, query: str, said: str) -> None:
    """A wrong query is an error of its own series, in Prometheus' words; the other metric is whole."""
    metrics = {"wrong": metric(query), "right": metric(LOAD)}
    fetched = PrometheusSource(session).fetch(metrics, ("web",), NOW)
    of = {one.metric: one for one in fetched.series}
    assert (of["wrong"].status, of["wrong"].points, of["right"].points) == (Completeness.ERROR, 0, 10)
    assert f"refuses the query ({said})" in of["wrong"].messages[0]


def test_more_steps_than_a_query_may_have(session: HttpSession) -> None:
    """12,000 seconds are asked for in two queries; together they are one series."""
    query = "last_over_time(load{group=~$targets}[$period])"
    fetched = fetch(session, query, now=NOW + 5 * MINUTE, period="1s", window="12000s")
    assert status(fetched).status is Completeness.COMPLETE
    whole = range(-6, 16)
    assert list(points(fetched).values()) == [50.0 + at for at in whole]
    # A sample at 11:54:30 sharp is the last of the second before.
    assert list(points(fetched)) == pytest.approx([at + 0.5 - 1 / 60 for at in whole])


def test_wrong_credentials_are_told(session: HttpSession) -> None:
    """Trying again would not help; the connection is named."""
    with pytest.raises(SourceError, match=r"answered 401.*connection prometheus_test credentials") as raised:
        fetch(replace(session, login=(USER, "wrong")), LOAD)
    assert not raised.value.retryable


def test_what_died_does_not_look_alive(server: RealPrometheus, session: HttpSession, exporter: Exporter) -> None:
    """A series that is no longer exported, and one whose samples no longer come, end at once; a plain query goes on.

    The second has times of its own, as pushed and federated metrics have: Prometheus never marks it stale.
    """
    pushed_at = f"{time.time() * 1000:.0f}"
    exporter.text = f'live{{group="web"}} 1\ngone{{group="web"}} 2\npushed{{group="web"}} 3 {pushed_at}\n'

    def last(name: str, targets: Sequence[str] = ("web",)) -> dict[float, float]:
        query = f"last_over_time({name}{{group=~$targets}}[$period])"
        return points(fetch(session, query, targets, datetime.now(UTC), period="1s", window="3s"))

    wait_for(lambda: bool(last("live") and last("gone")), "nothing was scraped")
    exporter.text = f'live{{group="web"}} 1\npushed{{group="web"}} 3 {pushed_at}\n'
    wait_for(lambda: len(last("live")) >= 2 and not last("gone") and not last("pushed"), "what died went on")
    answer = httpx.get(
        f"{server.url}/api/v1/query", params={"query": "pushed"}, auth=(USER, PASSWORD), timeout=10, trust_env=False
    )
    assert answer.json()["data"]["result"][0]["value"][1] == "3", (
        "the plain query no longer shows why ranges are needed"
    )
