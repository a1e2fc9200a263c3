"""``aws.cloudwatch`` against the practice AWS: boto3 writes the points, the source reads them back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import numpy as np
import pytest

from setpoint.lab.process import LabProcess
from setpoint.model import Completeness
from setpoint.sources.cloudwatch import CloudWatchMetric, CloudWatchSource


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A CloudWatch client of a laboratory of this module's own."""
    with LabProcess() as lab:
        yield boto3.client(
            "cloudwatch",
            region_name="eu-west-1",
            endpoint_url=lab.url,
            aws_access_key_id="lab",
            aws_secret_access_key="lab",
        )


def _metric(**keys: Any) -> CloudWatchMetric:
    return CloudWatchMetric.model_validate(
        {
            "source": "aws.cloudwatch",
            "namespace": "Test",
            "name": "Latency",
            "statistic": "p95",
            "period": "10s",
            "window": "1m",
            "unit": "Milliseconds",
            **keys,
        }
    )


def _put(client: Any, target: str, moment: datetime, values: list[float], unit: str = "Milliseconds") -> None:
    client.put_metric_data(
        Namespace="Test",
        MetricData=[
            {
                "MetricName": "Latency",
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": target}],
                "Timestamp": moment,
                "Values": values,
                "Unit": unit,
                "StorageResolution": 1,
            }
        ],
    )


def test_what_was_published_is_what_is_read(client: Any) -> None:
    """Percentiles of each period, for two targets of three: the third is empty, and says so."""
    now = datetime.now(UTC)
    metrics = {"latency": _metric(), "most": _metric(statistic="Maximum")}
    window = metrics["latency"].window_at(now)
    samples = [float(value) for value in range(1, 101)]
    for target in ("a", "b"):
        for number in range(6):
            _put(client, target, window.start + timedelta(seconds=10 * number + 3), samples)
    fetched = CloudWatchSource(client).fetch(metrics, ["a", "b", "nobody"], now)
    assert {(one.target, one.metric): (one.status, one.points) for one in fetched.series} == {
        (target, metric): (Completeness.COMPLETE, points)
        for target, points in (("a", 6), ("b", 6), ("nobody", 0))
        for metric in metrics
    }
    found = fetched.frame.groupby("metric")["value"].mean()
    assert found["most"] == 100
    assert found["latency"] == pytest.approx(np.percentile(samples, 95), rel=0.02)


def test_data_in_another_unit_is_not_taken_for_it(client: Any) -> None:
    """Seconds are not milliseconds: the query asks for the policy's unit, and finds nothing."""
    now = datetime.now(UTC)
    _put(client, "mixed-up", now - timedelta(seconds=30), [0.25], unit="Seconds")
    metric = _metric(window="2m")
    fetched = CloudWatchSource(client).fetch({"latency": metric}, ["mixed-up"], now)
    assert [one.points for one in fetched.series] == [0]
    assert "in unit Milliseconds" in fetched.series[0].messages[0]


def _publish(client: Any, name: str, start: datetime, values: list[float], **dimensions: str) -> None:
    """One value a minute."""
    client.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                "Timestamp": start + timedelta(minutes=number),
                "Value": value,
            }
            for number, value in enumerate(values)
        ],
    )


def _of_form(**keys: Any) -> CloudWatchMetric:
    return CloudWatchMetric.model_validate({"source": "aws.cloudwatch", "period": "1m", "window": "5m", **keys})


def test_an_expression_is_computed_for_each_target(client: Any) -> None:
    """Errors over requests, each target's own; where one of them has a gap, there is no ratio and no sum."""
    stat = {"namespace": "Shop", "statistic": "Sum"}
    queries = {"errors": {**stat, "name": "Errors"}, "requests": {**stat, "name": "Requests"}}
    metrics = {
        "rate": _of_form(expression="100 * errors / requests", queries=queries),
        "both": _of_form(expression="SUM([errors, requests])", queries=queries),
    }
    now = datetime.now(UTC)
    start = metrics["rate"].window_at(now).start
    for target, factor in (("sum-a", 1.0), ("sum-b", 2.0)):
        _publish(client, "Errors", start, [factor * n for n in range(3)], AutoScalingGroupName=target)
        _publish(client, "Requests", start, [100.0] * 5, AutoScalingGroupName=target)
    fetched = CloudWatchSource(client).fetch(metrics, ["sum-a", "sum-b"], now)
    found = {key: part["value"].tolist() for key, part in fetched.frame.groupby(["target", "metric"])}
    assert found == {
        ("sum-a", "rate"): [0.0, 1.0, 2.0],
        ("sum-b", "rate"): [0.0, 2.0, 4.0],
        ("sum-a", "both"): [100.0, 101.0, 102.0],
        ("sum-b", "both"): [100.0, 102.0, 104.0],
    }
    status = {(one.target, one.metric): one for one in fetched.series}
    assert status["sum-a", "both"].status is Completeness.PARTIAL
    assert status["sum-a", "both"].messages == ("2 points are left out: errors has none at their times",)
    assert (status["sum-a", "rate"].status, status["sum-a", "rate"].points) == (Completeness.COMPLETE, 3)


def test_the_groups_of_a_query_become_targets(client: Any) -> None:
    """CloudWatch adds up the hosts of each group; a group without hosts has no points."""
    select = 'SELECT SUM(Busy) FROM SCHEMA("Shop", AutoScalingGroupName, Host) GROUP BY AutoScalingGroupName'
    metric = _of_form(select=select)
    now = datetime.now(UTC)
    start = metric.window_at(now).start
    for target, host, value in (("ins-a", "1", 1.0), ("ins-a", "2", 2.0), ("ins-b", "1", 5.0)):
        _publish(client, "Busy", start, [value] * 5, AutoScalingGroupName=target, Host=host)
    fetched = CloudWatchSource(client).fetch({"busy": metric}, ["ins-b", "ins-a", "ins-c"], now)
    assert fetched.frame.groupby("target")["value"].unique().map(list).to_dict() == {"ins-a": [3.0], "ins-b": [5.0]}
    assert {one.target: one.points for one in fetched.series} == {"ins-a": 5, "ins-b": 5, "ins-c": 0}


def test_an_account_that_is_not_linked_says_so(client: Any) -> None:
    """Forbidden is an error of that series, not an empty answer."""
    metric = _of_form(namespace="Shop", name="Busy", statistic="Sum", account="210987654321")
    (found,) = CloudWatchSource(client).fetch({"busy": metric}, ["web"], datetime.now(UTC)).series
    assert found.status is Completeness.ERROR
    assert any("not linked" in one for one in found.messages)
