"""The CloudWatch metrics hook against the practice AWS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.stub import Stubber

from setpoint.lab.provision import client
from setpoint_airflow.hooks.cloudwatch import CloudWatchMetricsHook

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def query(number: int, name: str = "Load") -> dict[str, Any]:
    metric = {"Namespace": "Test/Hook", "MetricName": name, "Dimensions": []}
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}


def test_reads_more_metrics_than_one_call_takes(lab: Any, connection: str) -> None:
    """501 queries are two calls, and every query has its answer, empty ones too."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    client("cloudwatch", lab.url).put_metric_data(
        Namespace="Test/Hook", MetricData=[{"MetricName": "Load", "Timestamp": now, "Value": 4.0}]
    )
    hook = CloudWatchMetricsHook(aws_conn_id=connection)
    calls: list[int] = []
    hook.conn.meta.events.register(
        "before-parameter-build.cloudwatch.GetMetricData",
        lambda params, **_: calls.append(len(params["MetricDataQueries"])),
    )
    queries = [query(0), *(query(number, "Other") for number in range(1, 501))]
    results = hook.get_metric_data(queries, now - timedelta(minutes=5), now + timedelta(minutes=1))
    assert calls == [500, 1]
    assert [one["Id"] for one in results] == [one["Id"] for one in queries]
    assert results[0]["Values"] == [4.0]
    assert all(one["Values"] == [] for one in results[1:])


def test_pages_are_joined(connection: str) -> None:
    """The points of all pages come together in order; the last page's status and every message count."""
    hook = CloudWatchMetricsHook(aws_conn_id=connection)
    moments = [START + timedelta(minutes=number) for number in range(3)]
    pages = [
        {
            "Id": "q0",
            "Label": "Load",
            "StatusCode": "PartialData",
            "Timestamps": moments[:2],
            "Values": [1.0, 2.0],
            "Messages": [{"Code": "A", "Value": "first"}],
        },
        {"Id": "q0", "Label": "Load", "StatusCode": "Complete", "Timestamps": moments[2:], "Values": [3.0]},
    ]
    with Stubber(hook.conn) as stubber:
        stubber.add_response("get_metric_data", {"MetricDataResults": pages[:1], "NextToken": "more"})
        stubber.add_response("get_metric_data", {"MetricDataResults": pages[1:]})
        (result,) = hook.get_metric_data([query(0)], START, START + timedelta(minutes=3))
        stubber.assert_no_pending_responses()
    assert (result["Timestamps"], result["Values"]) == (moments, [1.0, 2.0, 3.0])
    assert (result["StatusCode"], result["Messages"]) == ("Complete", [{"Code": "A", "Value": "first"}])
