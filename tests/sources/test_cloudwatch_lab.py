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
