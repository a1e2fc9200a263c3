"""Metric math, Metrics Insights and other accounts in the practice AWS's GetMetricData."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from setpoint.lab.clock import at

MINUTES = 6


def _put(practice: Any, name: str, values: dict[int, float], **dimensions: str) -> None:
    """Publish one value a minute; the keys are minutes before now."""
    practice.cloudwatch.put_metric_data(
        Namespace="Test",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                "Timestamp": at(_start(practice) + 60 * minute),
                "Value": value,
            }
            for minute, value in values.items()
        ],
    )


def _start(practice: Any) -> float:
    return float(practice.clock.now() // 60 * 60 - 60 * MINUTES)


def _stat(query_id: str, name: str, **more: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "Test", "MetricName": name}, "Period": 60, "Stat": "Average"}
    return {"Id": query_id, "MetricStat": stat, **more}


def _ask(practice: Any, *queries: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    start = at(_start(practice))
    answer = practice.cloudwatch.get_metric_data(
        MetricDataQueries=list(queries),
        StartTime=start,
        EndTime=start + timedelta(minutes=MINUTES),
        ScanBy="TimestampAscending",
        **more,
    )
    results: list[dict[str, Any]] = answer["MetricDataResults"]
    return results


def _computed(practice: Any, expression: str) -> dict[int, float]:
    """An expression over the metrics a and b, by minute."""
    queries = [_stat("a", "A", ReturnData=False), _stat("b", "B", ReturnData=False)]
    (found,) = _ask(practice, *queries, {"Id": "e", "Expression": expression})
    start = _start(practice)
    return {
        round((moment.timestamp() - start) / 60): value
        for moment, value in zip(found["Timestamps"], found["Values"], strict=True)
    }


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", {0: 11, 1: 22, 3: 44}),
        ("100 * a / (a + b)", {0: 100 / 11, 1: 200 / 22, 3: 400 / 44}),
        ("-a ^ 2", {0: 1, 1: 4, 2: 9, 3: 16}),
        ("a > 1 AND b < 40", {0: 0, 1: 1, 3: 0}),
        ("IF(a > 2, b, a)", {0: 1, 1: 2, 3: 40}),
        ("a - MIN(a)", {0: 0, 1: 1, 2: 2, 3: 3}),
        ("SUM([a, b])", {0: 11, 1: 22, 2: 3, 3: 44}),
        ("MAX([a, b]) / 10", {0: 1, 1: 2, 2: 0.3, 3: 4}),
        ("DIFF(a)", {1: 1, 2: 1, 3: 1}),
        ("RATE(a) * PERIOD(a)", {1: 1, 2: 1, 3: 1}),
        ("RUNNING_SUM(a)", {0: 1, 1: 3, 2: 6, 3: 10}),
        ("CEIL(a / 2)", {0: 1, 1: 1, 2: 2, 3: 2}),
    ],
)
def test_metric_math(practice: Any, expression: str, expected: dict[int, float]) -> None:
    """Points meet by their time; over an array, a function goes on with what is there."""
    _put(practice, "A", {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0})
    _put(practice, "B", {0: 10.0, 1: 20.0, 3: 40.0})
    assert _computed(practice, expression) == pytest.approx(expected)


def test_what_is_no_number_is_dropped_and_told(practice: Any) -> None:
    """Dividing by zero leaves no point."""
    _put(practice, "A", {0: 1.0, 1: 2.0})
    _put(practice, "B", {0: 0.0, 1: 4.0})
    (found,) = _ask(
        practice,
        _stat("a", "A", ReturnData=False),
        _stat("b", "B", ReturnData=False),
        {"Id": "e", "Expression": "a / b"},
    )
    assert found["Values"] == [0.5]
    assert "non-numeric" in found["Messages"][0]["Value"]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("a +", "expected more"),
        ("a b", "unexpected 'b'"),
        ("NOSUCH(a)", "NOSUCH is not understood"),
        ("MAX(a)", "not a single time series"),
        ("e", "depends on itself"),
    ],
)
def test_an_expression_that_is_wrong_is_refused(practice: Any, expression: str, why: str) -> None:
    """A ValidationError, never an empty success."""
    queries = [_stat("a", "A"), _stat("b", "B"), {"Id": "e", "Expression": expression}]
    with pytest.raises(ClientError, match=why) as error:
        _ask(practice, *queries)
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_an_answer_with_math_is_not_continued(practice: Any) -> None:
    """Cut at MaxDatapoints it says PartialData, and no token follows, as documented."""
    _put(practice, "A", dict.fromkeys(range(6), 1.0))
    found = _ask(practice, _stat("a", "A"), {"Id": "e", "Expression": "a * 2"}, MaxDatapoints=8)
    assert [(one["StatusCode"], len(one["Values"])) for one in found] == [("Complete", 6), ("PartialData", 2)]


def _select(practice: Any, query: str) -> dict[str, list[float]]:
    found = _ask(practice, {"Id": "s", "Expression": query, "Period": 60})
    assert {one["Id"] for one in found} <= {"s"}
    return {one["Label"]: one["Values"] for one in found}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('SELECT AVG(Load) FROM "Test" GROUP BY Group', {"web": [15.0], "api": [5.0]}),
        ('SELECT SUM("Load") FROM SCHEMA("Test", Group, Host) GROUP BY Group', {"web": [30.0], "api": [5.0]}),
        ('SELECT MAX(Load) FROM SCHEMA("Test", Group) GROUP BY Group', {}),
        ("select count(Load) from Test where Host = 'h1' group by Group", {"web": [1.0], "api": [1.0]}),
        ("SELECT MAX(Load) FROM Test WHERE Group != 'api' AND Host = 'h2' GROUP BY Group", {"web": [20.0]}),
        ("SELECT MIN(Load) FROM Test GROUP BY Group ORDER BY MIN() ASC LIMIT 1", {"web": [10.0]}),
    ],
)
def test_metrics_insights(practice: Any, query: str, expected: dict[str, list[float]]) -> None:
    """One series for each value of the dimension, under that label."""
    for group, host, value in (("web", "h1", 10.0), ("web", "h2", 20.0), ("api", "h1", 5.0)):
        _put(practice, "Load", {0: value}, Group=group, Host=host)
    assert _select(practice, query) == expected


def test_a_query_answers_with_five_hundred_groups(practice: Any) -> None:
    """The rest is left out."""
    for number in range(501):
        _put(practice, "Load", {0: 1.0}, Group=f"g{number}")
    assert len(_select(practice, "SELECT AVG(Load) FROM Test GROUP BY Group")) == 500


@pytest.mark.parametrize(
    ("queries", "why"),
    [
        ([{"Id": "s", "Expression": "SELECT MEDIAN(Load) FROM Test", "Period": 60}], "not understood"),
        ([{"Id": "s", "Expression": "SELECT AVG(Load) FROM Test"}], "Period is required"),
        ([{"Id": one, "Expression": "SELECT AVG(Load) FROM Test", "Period": 60} for one in "st"], "only one"),
    ],
)
def test_a_query_that_is_wrong_is_refused(practice: Any, queries: list[dict[str, Any]], why: str) -> None:
    """What AWS would refuse is refused."""
    with pytest.raises(ClientError, match=why):
        _ask(practice, *queries)


def test_an_account_that_is_not_linked_is_forbidden(practice: Any) -> None:
    """This account's own number is fine; of another one there is nothing to read."""
    _put(practice, "A", {0: 1.0})
    own, other = _ask(practice, _stat("a", "A", AccountId="123456789012"), _stat("b", "A", AccountId="210987654321"))
    assert (own["StatusCode"], own["Values"]) == ("Complete", [1.0])
    assert (other["StatusCode"], other["Values"]) == ("Forbidden", [])
