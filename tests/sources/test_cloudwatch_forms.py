"""``aws.cloudwatch`` by metric math, by Metrics Insights and in other accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.cloudwatch import CloudWatchMetric, CloudWatchSource
from setpoint.sources.cloudwatch_math import problem_of, rewritten
from setpoint.sources.cloudwatch_queries import QUERIES_PER_CALL, plan_calls
from setpoint.sources.contract import Fetched

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
COMMON: dict[str, Any] = {"source": "aws.cloudwatch", "period": "1m", "window": "5m"}
NAMED: dict[str, Any] = {**COMMON, "namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average"}
ERRORS = {"namespace": "Shop", "name": "Errors", "statistic": "Sum"}
REQUESTS = {"namespace": "Shop", "name": "Requests", "statistic": "Sum", "dimensions": {"Stage": "prod"}}
COMPUTED: dict[str, Any] = {
    **COMMON,
    "expression": "100 * errors / requests",
    "queries": {"errors": ERRORS, "requests": REQUESTS},
}
SELECT = 'SELECT AVG(CPUUtilization) FROM "AWS/EC2" GROUP BY AutoScalingGroupName'


def metric(base: dict[str, Any], **keys: Any) -> CloudWatchMetric:
    return CloudWatchMetric.model_validate({**base, **keys})


def problem(base: dict[str, Any], **keys: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        metric(base, **keys)
    return " | ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in refused.value.errors())


def fetch(cloudwatch: Any, config: CloudWatchMetric, *targets: str) -> Fetched:
    return CloudWatchSource(cloudwatch.client()).fetch({"load": config}, targets, NOW)


def status_of(fetched: Fetched, target: str = "web") -> SeriesStatus:
    (found,) = [one for one in fetched.series if one.target == target]
    return found


@pytest.mark.parametrize(
    ("base", "keys", "said"),
    [
        (COMMON, {}, "namespace, name, statistic are missing"),
        (COMMON, {"namespace": "AWS/EC2", "name": "CPUUtilization"}, "statistic is missing"),
        (
            NAMED,
            {"expression": "a", "queries": {"a": ERRORS}},
            "namespace, name, statistic and expression, queries are",
        ),
        (NAMED, {"select": SELECT}, "namespace, name, statistic and select are different ways"),
        (COMPUTED, {"select": SELECT}, "expression, queries and select are different ways"),
        (COMMON, {"queries": {"a": ERRORS}}, "queries are there for an expression"),
        (COMMON, {"expression": "a * 2"}, "expression: an expression is computed of queries"),
        (COMPUTED, {"account": "123456789012"}, "account must be said in each of queries"),
        (COMPUTED, {"dimensions": {"A": "b"}}, "dimensions must be said in each of queries"),
        (COMMON, {"select": SELECT, "account": "123456789012"}, "account must be said in the query's WHERE"),
        (
            COMPUTED,
            {"expression": "100 * eror / requests"},
            "eror is not one of queries (errors, requests); did you mean errors?",
        ),
        (COMPUTED, {"expression": "errors * 2"}, "does not use requests of queries"),
        (COMPUTED, {"expression": "FILL(errors, 0) / requests"}, "FILL makes numbers of missing points"),
        (COMPUTED, {"expression": "errors + SUM(METRICS()) / requests"}, "METRICS reads other metrics"),
        (COMPUTED, {"expression": "SEARCH('x', 'Sum') + errors / requests"}, "SEARCH reads other metrics"),
        (COMPUTED, {"expression": "SORT([errors, requests], MAX, ASC)"}, "SORT answers with several series"),
        (
            COMPUTED,
            {"expression": "SUMM([errors, requests])"},
            "SUMM is not a function of metric math; did you mean SUM?",
        ),
        (COMPUTED, {"expression": "errors / requests; DROP"}, "';' has no place in metric math"),
        (COMPUTED, {"expression": "(errors / requests"}, "its brackets do not match"),
        (COMPUTED, {"expression": "errors[requests)"}, "its brackets do not match"),
        (COMPUTED, {"queries": {"Errors": ERRORS}}, "queries.Errors"),
        (
            COMPUTED,
            {"queries": {"errors": ERRORS, "requests": {**REQUESTS, "statistic": "avg"}}},
            "did you mean Average?",
        ),
        (COMPUTED, {"queries": {"errors": ERRORS, "requests": {**REQUESTS, "unit": "count"}}}, "did you mean Count?"),
        (COMPUTED, {"queries": {"errors": ERRORS, "requests": {**REQUESTS, "dimension": "Stage"}}}, "Stage is already"),
        (
            COMPUTED,
            {"queries": {"errors": ERRORS, "requests": {**REQUESTS, "dimension": "Host", "per_target": False}}},
            "leave it out, or per_target",
        ),
        (NAMED, {"account": 123456789012}, "an account is written in quotes"),
        (NAMED, {"account": "12345"}, "account"),
        (COMMON, {"select": "AVG(CPUUtilization)"}, "starts as SELECT AVG(metric) FROM namespace"),
        (COMMON, {"select": "SELECT MEDIAN(a) FROM b GROUP BY AutoScalingGroupName"}, "starts as SELECT AVG(metric)"),
        (COMMON, {"select": 'SELECT AVG(a) FROM "AWS/EC2"'}, "has no GROUP BY AutoScalingGroupName"),
        (COMMON, {"select": "SELECT AVG(a) FROM b GROUP BY InstanceId"}, "groups by InstanceId, but dimension is"),
        (
            COMMON,
            {"select": "SELECT AVG(a) FROM b GROUP BY AutoScalingGroupName, Host"},
            "groups by AutoScalingGroupName, Host",
        ),
        (COMMON, {"select": SELECT + " LIMIT 10"}, "LIMIT leaves targets out"),
        (COMMON, {"select": SELECT, "window": "15d", "period": "5m"}, "a Metrics Insights query reaches 14d"),
        (COMMON, {"select": SELECT, "period": "10s"}, "a Metrics Insights query answers in minutes; period is 10s"),
    ],
)
def test_what_cannot_be_meant_is_refused(base: dict[str, Any], keys: dict[str, Any], said: str) -> None:
    """Excluded combinations, unknown names and what would make numbers up, each with what to do."""
    assert said in problem(base, **keys)


@pytest.mark.parametrize(
    ("base", "keys", "form"),
    [
        (NAMED, {}, "named"),
        (NAMED, {"statistic": "p99.9", "account": "123456789012", "connection": "monitoring"}, "named"),
        (COMPUTED, {}, "computed"),
        (COMPUTED, {"expression": "IF(requests > 1e1, MAX([errors, requests]) ^ 2, ABS(-errors))"}, "computed"),
        (COMMON, {"select": SELECT}, "selected"),
        (
            COMMON,
            {
                "select": 'select sum(a) from SCHEMA("x", "ORDER BY") where b = \'LIMIT 1\' group by "ORDER BY"',
                "dimension": "ORDER BY",
            },
            "selected",
        ),
        (COMMON, {"select": SELECT + " ORDER BY AVG() DESC"}, "selected"),
    ],
)
def test_each_form_is_taken(base: dict[str, Any], keys: dict[str, Any], form: str) -> None:
    """A name, an expression over queries, or a query with groups."""
    assert metric(base, **keys).form == form


def test_an_expression_is_asked_for_each_target_over_its_own_metrics(cloudwatch: Any) -> None:
    """Names become ids, the target goes into the dimension, and what all targets share is asked for once."""
    shared = {
        "namespace": "Shop",
        "name": "Queue",
        "statistic": "Maximum",
        "dimensions": {"Q": "in"},
        "per_target": False,
    }
    config = metric(
        COMPUTED, expression="(errors + requests) / queue", queries={**COMPUTED["queries"], "queue": shared}
    )
    cloudwatch.answer = lambda number, request: (200, {"MetricDataResults": []})
    fetch(cloudwatch, config, "web", "api")
    (request,) = cloudwatch.requests
    queries = {one["Id"]: one for one in request["MetricDataQueries"]}
    expressions = [one["Expression"] for one in queries.values() if "Expression" in one]
    assert expressions == ["(q0 + q1) / q2", "(q4 + q5) / q2"]
    dimensions = {
        name: [(pair["Name"], pair["Value"]) for pair in one["MetricStat"]["Metric"]["Dimensions"]]
        for name, one in queries.items()
        if "MetricStat" in one
    }
    assert dimensions == {
        "q0": [("AutoScalingGroupName", "web")],
        "q1": [("AutoScalingGroupName", "web"), ("Stage", "prod")],
        "q2": [("Q", "in")],
        "q4": [("AutoScalingGroupName", "api")],
        "q5": [("AutoScalingGroupName", "api"), ("Stage", "prod")],
    }
    assert {one["Period"] for one in queries.values() if "Expression" in one} == {60}


def _points(request: dict[str, Any], query: dict[str, Any], say: Any, leave_out: int) -> Any:
    points = list(range(int(request["StartTime"]), int(request["EndTime"]), 60))
    return say.result(query, dict.fromkeys(points[: len(points) - leave_out], 50.0))


def test_a_point_computed_while_a_query_had_none_is_not_used(cloudwatch: Any, say: Any) -> None:
    """SUM([a, b]) goes on without b, and is too low: such points are left out, and the series says so."""
    cloudwatch.answer = lambda number, request: (
        200,
        {
            "MetricDataResults": [
                _points(request, one, say, 2 * (one["Id"] == "q1")) for one in request["MetricDataQueries"]
            ]
        },
    )
    config = metric(COMPUTED, expression="SUM([errors, requests])")
    fetched = fetch(cloudwatch, config, "web")
    found = status_of(fetched)
    assert (len(fetched.frame), found.points, found.status) == (3, 3, Completeness.PARTIAL)
    assert found.messages == ("2 points are left out: requests has none at their times",)


@pytest.mark.parametrize(("code", "status"), [("PartialData", Completeness.PARTIAL), ("Forbidden", Completeness.ERROR)])
def test_what_a_query_lacks_its_expression_lacks(cloudwatch: Any, say: Any, code: str, status: Completeness) -> None:
    """An expression over a series that is not complete is not complete either, and says which it was."""

    def answer(number: int, request: dict[str, Any]) -> Any:
        results = [_points(request, one, say, 0) for one in request["MetricDataQueries"]]
        results[0]["StatusCode"] = code
        return 200, {"MetricDataResults": results}

    cloudwatch.answer = answer
    found = status_of(fetch(cloudwatch, metric(COMPUTED), "web"))
    assert found.status is status
    assert found.messages[0].startswith("errors: ")


def test_groups_and_operands_may_be_called_otherwise(cloudwatch: Any, say: Any) -> None:
    """What CloudWatch calls a target stands in the dimension of each query, and is how a group is found."""
    names = {"target_name": "prod-{target}", "target_names": {"db": "prod-api"}}
    cloudwatch.answer = lambda number, request: (200, {"MetricDataResults": []})
    fetch(cloudwatch, metric(COMPUTED, **names), "web")
    (request,) = cloudwatch.requests
    assert {
        pair["Value"]
        for one in request["MetricDataQueries"] if "MetricStat" in one
        for pair in one["MetricStat"]["Metric"]["Dimensions"] if pair["Name"] == "AutoScalingGroupName"
    } == {"prod-web"}  # fmt: skip

    def groups(number: int, request: dict[str, Any]) -> Any:
        (query,) = request["MetricDataQueries"]
        return 200, {
            "MetricDataResults": [
                say.result({"Id": query["Id"]}, {request["EndTime"] - 60: value}, Label=label)
                for label, value in (("prod-web", 1.0), ("prod-api", 2.0), ("api", 3.0))
            ]
        }

    cloudwatch.answer = groups
    fetched = fetch(cloudwatch, metric(COMMON, select=SELECT, **names), "web", "api", "db", "gone")
    assert dict(zip(fetched.frame["target"], fetched.frame["value"], strict=True)) == {
        "web": 1.0,
        "api": 2.0,
        "db": 2.0,
    }
    (gone,) = [one for one in fetched.series if one.target == "gone"]
    assert gone.messages[0] == "the query's answer has no group 'prod-gone'"


def test_a_fleet_of_expressions_is_split_between_calls_never_within_one(cloudwatch: Any) -> None:
    """500 queries a call, an expression together with what it is computed of."""
    calls = list(plan_calls({"load": metric(COMPUTED)}, [f"web-{number}" for number in range(400)], NOW))
    assert [len(one.queries) for one in calls] == [498, 498, 204]
    for call in calls:
        for query in call.queries:
            if "Expression" in query:
                used = {name for name in query["Expression"].split() if name.startswith("q")}
                assert used <= set(call.asked)


def test_long_windows_make_smaller_calls() -> None:
    """A call's answer stays below the 100,800 points at which CloudWatch cuts it, so that none waits for a page."""
    long = metric(NAMED, window="24h")
    calls = list(plan_calls({"load": long}, [f"web-{number}" for number in range(200)], NOW))
    assert [len(one.queries) for one in calls] == [70, 70, 60]
    assert max(one.points for one in calls) <= 100_800
    assert QUERIES_PER_CALL == 500


def test_the_account_of_a_linked_metric_is_asked_for(cloudwatch: Any) -> None:
    """AccountId stands beside the query of a metric in a linked account."""
    fetch(cloudwatch, metric(NAMED, account="012345678901"), "web")
    (query,) = cloudwatch.requests[0]["MetricDataQueries"]
    assert query["AccountId"] == "012345678901"


def _groups(say: Any, **values: float) -> Any:
    def answer(number: int, request: dict[str, Any]) -> Any:
        (query,) = request["MetricDataQueries"]
        span = range(int(request["StartTime"]), int(request["EndTime"]), query["Period"])
        return 200, {
            "MetricDataResults": [
                say.result(query, dict.fromkeys(span, value), Label=label) for label, value in values.items()
            ]
        }

    return answer


def test_the_groups_of_a_query_are_targets(cloudwatch: Any, say: Any) -> None:
    """Each target gets its group's points; a group nobody asked for is nothing, a target without one is empty."""
    cloudwatch.answer = _groups(say, web=50.0, api=10.0, other=99.0)
    fetched = fetch(cloudwatch, metric(COMMON, select=SELECT), "api", "web", "silent")
    assert cloudwatch.requests[0]["MetricDataQueries"] == [{"Id": "s0", "Expression": SELECT, "Period": 60}]
    assert fetched.frame.groupby("target")["value"].unique().map(list).to_dict() == {"api": [10.0], "web": [50.0]}
    assert (status_of(fetched, "web").status, status_of(fetched, "web").points) == (Completeness.COMPLETE, 5)
    silent = status_of(fetched, "silent")
    assert (silent.status, silent.points) == (Completeness.COMPLETE, 0)
    assert "no group 'silent'" in silent.messages[0]


def test_a_target_beyond_the_five_hundredth_group_is_not_known(cloudwatch: Any, say: Any) -> None:
    """A query answers with 500 series and says nothing of the rest: who is missing may be one of them."""
    cloudwatch.answer = _groups(say, **{f"g{number}": 1.0 for number in range(500)})
    fetched = fetch(cloudwatch, metric(COMMON, select=SELECT), "g7", "web")
    assert status_of(fetched, "g7").status is Completeness.COMPLETE
    assert status_of(fetched, "web").status is Completeness.ERROR
    assert "500 groups at most" in status_of(fetched, "web").messages[0]


def test_a_query_that_was_cut_short_leaves_nobody_complete(cloudwatch: Any, say: Any) -> None:
    """A message on the whole call holds for targets without a group too, also when there is no group at all."""
    message = {"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}
    cloudwatch.answer = lambda number, request: (200, {"MetricDataResults": [], "Messages": [message]})
    found = status_of(fetch(cloudwatch, metric(COMMON, select=SELECT), "web"))
    assert (found.status, found.points) == (Completeness.PARTIAL, 0)
    assert any("Maximum number" in one for one in found.messages)


def test_two_groups_of_one_name_are_not_mixed_up_silently(cloudwatch: Any, say: Any) -> None:
    """Two linked accounts may each have a group called web."""

    def answer(number: int, request: dict[str, Any]) -> Any:
        status, body = _groups(say, web=50.0)(number, request)
        return status, {"MetricDataResults": body["MetricDataResults"] * 2}

    cloudwatch.answer = answer
    found = status_of(fetch(cloudwatch, metric(COMMON, select=SELECT), "web"))
    assert found.status is Completeness.PARTIAL
    assert "more than once" in found.messages[0]


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.data())
def test_rewriting_touches_names_only(names: list[str], data: st.DataObject) -> None:
    """Whatever the names, each becomes its id and everything else stays; rewriting back gives the expression."""
    parts = [data.draw(st.sampled_from([f"{name} * 1e5", f"MAX([{name}, {name}])", f"-{name}"])) for name in names]
    expression = " + ".join(parts)
    ids = {name: f"q{number}" for number, name in enumerate(names)}
    if set(ids.values()) & set(names):
        return
    assert problem_of(expression, names) is None
    text = rewritten(expression, ids)
    assert rewritten(text, {value: key for key, value in ids.items()}) == expression
    assert problem_of(text, list(ids.values())) is None
