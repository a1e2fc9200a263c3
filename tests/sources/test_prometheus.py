"""``prometheus``: what its answers mean, what is asked in how many parts, and what a policy may say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError
from worlds.answering import Answered, AnsweringServer, Asked, as_json

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.http_messages import HttpLimits
from setpoint.sources.http_session import HttpSession
from setpoint.sources.prometheus import PrometheusMetric, PrometheusSource, plan

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
END = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp())
GOOD: dict[str, Any] = {
    "source": "prometheus",
    "connection": "prometheus_test",
    "query": "avg by (group) (avg_over_time(load{group=~$targets}[$period]))",
    "label": "group",
    "period": "1m",
    "window": "3m",
}
WEB = {"metric": {"group": "web"}, "values": [[END - 120, "1"], [END - 60, "2"], [END, "3"]]}


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    """Answers every query with ``WEB``."""
    with AnsweringServer(lambda asked: matrix(WEB)) as started:
        yield started


def matrix(*series: Mapping[str, Any], **more: Any) -> Answered:
    return as_json({"status": "success", "data": {"resultType": "matrix", "result": series}, **more})


def form(asked: Asked) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(asked.body).items()}


def metric(**keys: Any) -> PrometheusMetric:
    return PrometheusMetric.model_validate({**GOOD, **keys})


def fetch(server: AnsweringServer, targets: Sequence[str] = ("web",), **keys: Any) -> Fetched:
    session = HttpSession(server.url, name="prometheus_test", limits=HttpLimits(attempts=2, pause_seconds=0.01))
    return PrometheusSource(session).fetch({"load": metric(**keys)}, targets, NOW)


def status(fetched: Fetched, target: str = "web") -> SeriesStatus:
    (found,) = [one for one in fetched.series if one.target == target]
    return found


def problems(**keys: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        metric(**keys)
    return {".".join(map(str, one["loc"])): one["msg"] for one in refused.value.errors()}


def test_each_period_is_asked_for_at_its_end(server: AnsweringServer) -> None:
    """The query's range is the period before each step, so a point belongs to the period that ends there."""
    fetched = fetch(server)
    (asked,) = server.asked
    assert form(asked) == {
        "query": 'avg by (group) (avg_over_time(load{group=~"web"}[59999ms]))',
        "start": f"{END - 120}", "end": f"{END}", "step": "60", "timeout": "20s",
    }  # fmt: skip
    assert [one.timestamp() - END for one in fetched.frame["timestamp"]] == [-180, -120, -60]
    assert list(fetched.frame["value"]) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("more", "expected", "said"),
    [
        ({"warnings": ["store eu-2 is not reachable"]}, Completeness.PARTIAL, "Prometheus warns: store eu-2"),
        ({"isPartial": True}, Completeness.PARTIAL, "says that its answer is partial"),
        ({"infos": ["metric might not be a counter"]}, Completeness.COMPLETE, "Prometheus remarks: metric might"),
        ({"warnings": []}, Completeness.COMPLETE, ""),
    ],
)
def test_what_the_answer_says_of_itself_is_told(
    server: AnsweringServer, more: dict[str, Any], expected: Completeness, said: str
) -> None:
    """A warning makes every series of the answer partial, with its points; a remark is only told."""
    server.answer = lambda asked: matrix(WEB, **more)
    found = status(fetch(server))
    assert (found.status, found.points) == (expected, 3)
    assert said in "".join(found.messages)


def test_values_that_are_no_numbers_are_kept_for_the_gate(server: AnsweringServer) -> None:
    """NaN and the infinities are written as texts, and mean what they say."""
    values = [[END - 120, "NaN"], [END - 60, "+Inf"], [END, "-Inf"]]
    server.answer = lambda asked: matrix({"metric": {"group": "web"}, "values": values})
    found = list(fetch(server).frame["value"])
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf]


def test_points_nobody_asked_for_are_left_out_and_told(server: AnsweringServer) -> None:
    """Off the steps, or outside the window: something between changed the question."""
    values = [[END - 180, "1"], [END - 90, "2"], [END - 60, "3"], [END + 60, "4"]]
    server.answer = lambda asked: matrix({"metric": {"group": "web"}, "values": values})
    fetched = fetch(server)
    assert list(fetched.frame["value"]) == [3.0]
    assert status(fetched).status is Completeness.PARTIAL
    assert "3 points at times that were not asked for" in status(fetched).messages[0]


def test_native_histograms_are_an_error(server: AnsweringServer) -> None:
    """A histogram is no number; the way to one is named."""
    server.answer = lambda asked: matrix({"metric": {"group": "web"}, "histograms": [[END, {"count": "1"}]]})
    found = status(fetch(server))
    assert found.status is Completeness.ERROR
    assert "histogram_quantile" in found.messages[0]


def test_other_targets_series_are_not_used(server: AnsweringServer) -> None:
    """A query without $targets answers for everybody; only the fleet's own are taken."""
    server.answer = lambda asked: matrix(WEB, {"metric": {"group": "other"}, "values": WEB["values"]})
    fetched = fetch(server, ("web", "api"), query="avg by (group) (avg_over_time(load[$period]))")
    assert set(fetched.frame["target"]) == {"web"}
    assert status(fetched, "api").points == 0


@pytest.mark.parametrize(
    ("answer", "retryable", "said"),
    [
        (as_json({"status": "error", "errorType": "timeout", "error": "query timed out"}, 503), True, r"took too long"),
        (as_json({"status": "error", "errorType": "internal", "error": "bad block"}, 500), True, "internal: bad block"),
        (as_json({"status": "error", "errorType": "unavailable", "error": "no"}, 503), True, "unavailable"),
        (as_json({"status": "error", "errorType": "canceled", "error": "no"}, 503), True, "canceled"),
        (Answered(b"Service Unavailable", 503), True, "answered 503: Service Unavailable"),
        (Answered(b"slow down", 429), True, "asked too often"),
        (Answered(b"Bad Gateway", 502), True, "answered 502"),
        (Answered(b"Unauthorized", 401), False, "credentials"),
        (Answered(b"404 page not found", 404), False, "Correct the host"),
        (Answered(b"<html>Sign in</html>", 200), False, "does not answer as Prometheus does"),
        (as_json({"status": "success", "data": {"resultType": "vector", "result": []}}), False, "does not answer as"),
        (as_json({"status": "success"}), False, "does not answer as"),
        (as_json([]), False, "does not answer as"),
        (matrix({"metric": {"group": "web"}, "values": [[END, 1]]}), False, "does not answer as"),
        (matrix({"metric": {"group": "web"}, "values": [[END, "one"]]}), False, "does not answer as"),
        (matrix({"metric": {"group": "web"}, "values": [["now", "1"]]}), False, "does not answer as"),
        (matrix({"metric": {"group": "web"}, "values": [[math.inf, "1"]]}), False, "does not answer as"),
        (matrix({"values": []}), False, "does not answer as"),
        (Answered(b"[" * 100_000), False, "does not answer as"),
    ],
)  # fmt: skip
def test_no_answer_is_no_empty_answer(server: AnsweringServer, answer: Answered, retryable: bool, said: str) -> None:
    """Whatever is wrong with the server, it is said, with whether it may pass; never read as silence."""
    server.answer = lambda asked: answer
    with pytest.raises(SourceError, match=said) as raised:
        fetch(server)
    assert raised.value.retryable is retryable


def test_a_query_that_took_too_long_is_not_asked_again_at_once(server: AnsweringServer) -> None:
    """That would only make it worse; Airflow tries the task again later."""
    server.answer = lambda asked: as_json({"status": "error", "errorType": "timeout", "error": "no"}, 503)
    with pytest.raises(SourceError):
        fetch(server)
    assert len(server.asked) == 1


def test_a_refused_query_is_its_own_metrics_error(server: AnsweringServer) -> None:
    """The other metrics go on; what Prometheus said, and what to do, stands in the status."""
    server.answer = lambda asked: as_json(
        {"status": "error", "errorType": "execution", "error": "too many samples"}, 422
    )
    found = status(fetch(server))
    assert (found.status, found.points) == (Completeness.ERROR, 0)
    assert "execution): too many samples. Prometheus cannot evaluate it" in found.messages[0]


def test_a_longer_range_asks_where_there_were_samples(server: AnsweringServer) -> None:
    """Points of periods without a sample of their own are left out; how many is told."""

    def answer(asked: Asked) -> Answered:
        if "count_over_time" in form(asked)["query"]:
            return matrix({"metric": {"group": "web"}, "values": [[END - 120, "1"], [END - 60, "1"]]})
        return matrix(WEB)

    server.answer = answer
    fetched = fetch(server, query="sum by (group) (rate(requests_total{group=~$targets}[5m]))")
    assert [form(one)["query"] for one in server.asked] == [
        'sum by (group) (rate(requests_total{group=~"web"}[5m]))',
        'count by (group) (count_over_time(requests_total{group=~"web"}[59999ms]))',
    ]
    assert list(fetched.frame["value"]) == [1.0, 2.0]
    found = status(fetched)
    assert found.status is Completeness.COMPLETE
    assert "1 points are left out: in their periods came no sample" in found.messages[0]


@pytest.mark.parametrize(("joined", "left"), [([[END, "1"]], [3.0]), ([], [])])
def test_a_joined_selector_without_the_label_speaks_for_all(
    server: AnsweringServer, joined: list[Any], left: list[float]
) -> None:
    """What has samples under no target's name has them for every target; without any, nothing is fresh."""

    def answer(asked: Asked) -> Answered:
        if "count_over_time" in form(asked)["query"]:
            return matrix(*([{"metric": {}, "values": joined}] if joined else []))
        return matrix(WEB)

    server.answer = answer
    assert list(fetch(server, query="sum by (group) (rate(a[5m]))").frame["value"]) == left


def test_a_fleet_is_asked_for_in_parts() -> None:
    """As many targets a query as keep its answer small, where the query can be asked for some of them."""
    fleet = [f"web-{number}" for number in range(1_200)]
    assert [len(one.names) for one in plan({"load": metric()}, fleet, NOW)] == [500, 500, 200]
    assert [len(one.names) for one in plan({"load": metric(window="1d")}, fleet[:100], NOW)] == [69, 31]
    assert [len(one.names) for one in plan({"load": metric(query="avg_over_time(load[1m])")}, fleet, NOW)] == [1_200]
    assert list(plan({"load": metric()}, [], NOW)) == []


def test_a_long_window_is_asked_for_in_parts() -> None:
    """No query has more than 11,000 steps; the parts neither overlap nor leave a gap."""
    parts = [one.window for one in plan({"load": metric(period="1s", window="30000s")}, ["web"], NOW)]
    assert [int(one.length.total_seconds()) for one in parts] == [11_000, 11_000, 8_000]
    assert [one.end for one in parts[:-1]] == [one.start for one in parts[1:]]


def test_what_prometheus_calls_a_target(server: AnsweringServer) -> None:
    """By a pattern, by name, or all by one series that is shared."""
    fetch(server, ("web", "api"), target_name="prod/{target}", target_names={"api": "backend"})
    assert 'group=~"prod/web|backend"' in form(server.asked[-1])["query"]
    fetched = fetch(server, ("a", "b"), target_name="web")
    assert 'group=~"web"' in form(server.asked[-1])["query"]
    assert list(fetched.frame["target"]) == ["a"] * 3 + ["b"] * 3


@pytest.mark.parametrize(
    ("keys", "where", "said"),
    [
        ({"query": "load"}, "query", "write last_over_time(load[$period])"),
        ({"query": "sum(rate(a[1m]) offset"}, "query", "is missing"),
        ({"query": "rate(a[1m] offset 1h)"}, "query", "another time"),
        ({"label": "a-b"}, "label", "pattern"),
        ({"label": None}, "label", "string"),
        ({"connection": ""}, "connection", "at least 1"),
        ({"period": "0s"}, "period", "at least 1s"),
        ({"window": "90s"}, "window", "such as 1m or 2m"),
        ({"target_name": "x-{host}"}, "target_name", "only {target} is known"),
        ({"step": "1m"}, "step", "Extra inputs"),
    ],
)
def test_a_policys_mistake_is_told_where_it_is(keys: dict[str, Any], where: str, said: str) -> None:
    """What Prometheus would refuse, or answer misleadingly, is refused when the policy is read."""
    assert said in problems(**keys)[where]


def test_a_period_of_its_own_is_told_by_itself() -> None:
    """A period that cannot be read is one mistake, not one of the query as well."""
    assert set(problems(period="often")) == {"period"}


def test_a_million_points_do_not_come_as_objects_at_the_same_time() -> None:
    """What one query is asked for is bounded, so an answer is turned into columns before the next is read."""
    pieces = plan({"load": metric(window="2h")}, [f"web-{number}" for number in range(5_000)], NOW)
    assert max(len(one.names) * one.config.expected_points for one in pieces) <= 100_000


def test_the_answer_is_the_same_whatever_the_order(server: AnsweringServer) -> None:
    """Prometheus promises no order of series."""
    two = {"metric": {"group": "api"}, "values": [[END, "9"]]}
    server.answer = lambda asked: matrix(WEB, two)
    first = fetch(server, ("web", "api"))
    server.answer = lambda asked: matrix(two, WEB)
    second = fetch(server, ("web", "api"))
    assert first.series == second.series
    assert first.frame.equals(second.frame)
    assert json.loads(first.frame["value"].to_json(orient="values")) == [1.0, 2.0, 3.0, 9.0]
