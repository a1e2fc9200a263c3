"""PutMetricData, GetMetricData, GetMetricStatistics and ListMetrics through the API."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from setpoint.lab.clock import at
from setpoint.lab.faults import FaultKind, FaultRequest

SHOP = [{"Name": "AutoScalingGroupName", "Value": "shop"}]


def _put(practice: Any, *points: tuple[float, float], name: str = "m", resolution: int = 1) -> None:
    """Publish (seconds from now, value) points."""
    practice.cloudwatch.put_metric_data(
        Namespace="T",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": SHOP,
                "Timestamp": at(practice.clock.now() + offset),
                "Value": value,
                "StorageResolution": resolution,
            }
            for offset, value in points
        ],
    )


def _query(query_id: str = "q", name: str = "m", period: int = 5, stat: str = "Average", **more: Any) -> Any:
    metric = {"Namespace": "T", "MetricName": name, "Dimensions": SHOP}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def _get(practice: Any, *queries: Any, minutes: float = 10, **more: Any) -> dict[str, Any]:
    now = at(practice.clock.now())
    answer: dict[str, Any] = practice.cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=now - timedelta(minutes=minutes), EndTime=now, **more
    )
    return answer


def test_points_come_back_aligned_to_the_period_newest_first(practice: Any) -> None:
    """Points are averaged by period, stamped with the period's start, and newest first unless asked otherwise."""
    _put(practice, (-11, 1.0), (-13, 3.0), (-24, 9.0))
    result = _get(practice, _query(period=10))["MetricDataResults"][0]
    epochs = [moment.timestamp() for moment in result["Timestamps"]]
    assert epochs == [practice.clock.now() - 20, practice.clock.now() - 30]
    assert (result["Values"], result["StatusCode"], result["Label"]) == ([2.0, 9.0], "Complete", "m")
    ascending = _get(practice, _query(period=10), ScanBy="TimestampAscending")["MetricDataResults"][0]
    assert ascending["Values"] == [9.0, 2.0]


def test_an_unknown_metric_is_complete_and_empty(practice: Any) -> None:
    """A metric nobody published has no values, and that is a complete answer."""
    result = _get(practice, _query(name="nobody"))["MetricDataResults"][0]
    assert (result["Values"], result["Timestamps"], result["StatusCode"]) == ([], [], "Complete")


def test_the_end_is_exclusive_and_the_start_rounded_down(practice: Any) -> None:
    """A period that starts at EndTime is not in the answer, one that holds StartTime is."""
    _put(practice, (0, 1.0), (-58, 2.0))
    practice.clock.advance(2)
    now = practice.clock.now()
    result = practice.cloudwatch.get_metric_data(
        MetricDataQueries=[_query(period=10)], StartTime=at(now - 53), EndTime=at(now - 2)
    )["MetricDataResults"][0]
    assert result["Values"] == [2.0]


def test_more_than_five_hundred_queries_are_refused(practice: Any) -> None:
    """501 queries are a ValidationError, 500 are answered."""
    queries = [_query(f"q{number}") for number in range(501)]
    with pytest.raises(ClientError, match="must not have a size greater than 500") as error:
        _get(practice, *queries)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert len(_get(practice, *queries[:500])["MetricDataResults"]) == 500


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([_query("Upper")], "is not matching the expected pattern"),
        ([_query("a"), _query("a")], "are not unique"),
        ([_query(period=7)], "1, 5, 10, 20, 30, or any multiple of 60"),
        ([_query(period=90)], "1, 5, 10, 20, 30, or any multiple of 60"),
        ([_query(stat="p101")], "p101 for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported"),
        ([{"Id": "e1", "Expression": "m1 * 2"}], "Error in expression 'e1': unknown metric id 'm1'"),
        ([{"Id": "q"}], "MetricDataQueries.member.1.MetricStat is required"),
    ],
)
def test_a_wrong_query_is_refused_with_a_reason(practice: Any, queries: list[Any], message: str) -> None:
    """What the API would refuse is refused, and an expression is never answered with an empty success."""
    with pytest.raises(ClientError) as error:
        _get(practice, *queries)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert message in error.value.response["Error"]["Message"]


def test_pages_follow_each_other_without_loss(practice: Any) -> None:
    """Pages of MaxDatapoints hold every point once, say PartialData until a query is complete, and end."""
    for name in ("a", "b"):
        _put(practice, *((-5.0 * number - 5, float(number)) for number in range(7)), name=name)
    seen: dict[str, list[float]] = {"a": [], "b": []}
    states: dict[str, list[str]] = {"a": [], "b": []}
    token: dict[str, Any] = {}
    for _ in range(10):
        page = _get(practice, _query("a", "a"), _query("b", "b"), MaxDatapoints=4, **token)
        for result in page["MetricDataResults"]:
            seen[result["Id"]] += result["Values"]
            states[result["Id"]].append(result["StatusCode"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == {"a": [float(n) for n in range(7)], "b": [float(n) for n in range(7)]}
    assert states["a"] == ["PartialData", "Complete"]
    assert states["b"][-1] == "Complete"
    assert set(states["b"][:-1]) == {"PartialData"}


def test_a_made_up_token_is_refused(practice: Any) -> None:
    """A token that nobody was given is InvalidNextToken."""
    with pytest.raises(ClientError) as error:
        _get(practice, _query(), NextToken="made-up")
    assert error.value.response["Error"]["Code"] == "InvalidNextToken"


def test_high_resolution_points_are_kept_three_hours(practice: Any) -> None:
    """Periods below a minute answer for three hours only, minutes longer."""
    _put(practice, (-4 * 3600, 1.0), (-60, 2.0))
    assert _get(practice, _query(period=5), minutes=300)["MetricDataResults"][0]["Values"] == [2.0]
    assert _get(practice, _query(period=60), minutes=300)["MetricDataResults"][0]["Values"] == [2.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "status", "count"),
    [
        (FaultKind.PARTIAL_DATA, "PartialData", 2),
        (FaultKind.INTERNAL_ERROR, "InternalError", 0),
        (FaultKind.FORBIDDEN, "Forbidden", 0),
    ],
)
def test_a_status_can_be_asked_for(practice: Any, kind: FaultKind, status: str, count: int) -> None:
    """A status fault changes code, messages and points of the fleet's metrics, without a token."""
    _put(practice, (-5, 1.0), (-10, 2.0), (-15, 3.0), (-20, 4.0))
    practice.world.add_fault(FaultRequest(kind=kind, fleet="shop"))
    answer = _get(practice, _query())
    result = answer["MetricDataResults"][0]
    assert (result["StatusCode"], len(result["Values"])) == (status, count)
    assert result["Messages"][0]["Code"] == status
    assert "NextToken" not in answer


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": float("inf")}, "InvalidParameterValue"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({}, "ValidationError"),
        ({"Value": 1.0, "StorageResolution": 5}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": at(1_800_000_000 - 15 * 86_400)}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": at(1_800_000_000 + 3 * 3600)}, "InvalidParameterValue"),
    ],
)
def test_data_that_aws_refuses_is_refused_as_a_whole(practice: Any, datum: dict[str, Any], code: str) -> None:
    """One wrong datum refuses the request, and the good one beside it is not stored."""
    good = {"MetricName": "good", "Value": 1.0}
    with pytest.raises(ClientError) as error:
        practice.cloudwatch.put_metric_data(Namespace="T", MetricData=[good, {"MetricName": "bad", **datum}])
    assert error.value.response["Error"]["Code"] == code
    assert practice.cloudwatch.list_metrics(Namespace="T")["Metrics"] == []


def test_values_with_counts_and_statistic_sets_are_stored(practice: Any) -> None:
    """Values count as often as told, and a statistic set adds to them."""
    now = at(practice.clock.now() - 5)
    practice.cloudwatch.put_metric_data(
        Namespace="T",
        MetricData=[
            {"MetricName": "m", "Dimensions": SHOP, "Timestamp": now, "Values": [1.0, 5.0], "Counts": [3.0, 1.0]},
            {
                "MetricName": "m",
                "Dimensions": SHOP,
                "Timestamp": now,
                "StatisticValues": {"SampleCount": 2, "Sum": 4, "Minimum": 1, "Maximum": 3},
            },
        ],
    )
    results = _get(
        practice, *(_query(stat.lower(), period=60, stat=stat) for stat in ("SampleCount", "Sum", "Maximum"))
    )["MetricDataResults"]
    assert [result["Values"] for result in results] == [[6.0], [12.0], [5.0]]


def test_statistics_answer_percentiles_and_refuse_too_many_points(practice: Any) -> None:
    """GetMetricStatistics knows percentiles, and more than 1,440 points are refused."""
    _put(practice, (-5, 1.0), (-6, 3.0))
    now = at(practice.clock.now())
    common = {"Namespace": "T", "MetricName": "m", "Dimensions": SHOP, "EndTime": now}
    points = practice.cloudwatch.get_metric_statistics(
        **common,
        StartTime=now - timedelta(minutes=5),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert [point["Maximum"] for point in points] == [3.0]
    points = practice.cloudwatch.get_metric_statistics(
        **common, StartTime=now - timedelta(minutes=5), Period=60, ExtendedStatistics=["p50"]
    )["Datapoints"]
    assert [point["ExtendedStatistics"]["p50"] for point in points] == [2.0]
    with pytest.raises(ClientError, match="exceeds the limit of 1,440"):
        practice.cloudwatch.get_metric_statistics(
            **common, StartTime=now - timedelta(hours=3), Period=5, Statistics=["Sum"]
        )


def test_metrics_are_listed_by_namespace_name_and_dimension(practice: Any) -> None:
    """ListMetrics finds by what it is given and pages by 500."""
    practice.cloudwatch.put_metric_data(
        Namespace="Many", MetricData=[{"MetricName": f"m{number}", "Value": 1.0} for number in range(501)]
    )
    _put(practice, (-5, 1.0))
    found = practice.cloudwatch.list_metrics(Namespace="T", Dimensions=[{"Name": "AutoScalingGroupName"}])["Metrics"]
    assert found == [{"Namespace": "T", "MetricName": "m", "Dimensions": SHOP}]
    pages = practice.cloudwatch.get_paginator("list_metrics").paginate(Namespace="Many")
    assert [len(page["Metrics"]) for page in pages] == [500, 1]
