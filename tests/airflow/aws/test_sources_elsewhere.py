"""One policy, metrics in another region and another account: each read where it is, one batch of them all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.pull import pull
from setpoint_airflow.providers import sources_for

ROLE = "arn:aws:iam::210987654321:role/reader"
FLEET = "elsewhere-web"
METRIC = {
    "source": "aws.cloudwatch",
    "namespace": "Elsewhere",
    "name": "Load",
    "statistic": "Average",
    "period": "1m",
    "window": "5m",
}


def policy(**metrics: dict[str, str]) -> Policy:
    return Policy.model_validate(
        {
            "version": 1,
            "name": "elsewhere",
            "owner": "platform",
            "targets": {"kind": "aws.autoscaling_group", "names": [FLEET], "connection": "aws_lab"},
            "metrics": {name: {**METRIC, **keys} for name, keys in metrics.items()},
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": next(iter(metrics))},
                "out": {"above": 70, "for": "3 of 5", "add": 1},
            },
            "limits": {"min": 1, "max": 6},
            "feedback": {"after": "3m", "healthy": {next(iter(metrics)): {"max": 90}}},
        }
    )


def publish(cloudwatch: Any, value: float, now: datetime) -> None:
    """The metric with this value in each of the last seven minutes."""
    cloudwatch.put_metric_data(
        Namespace="Elsewhere",
        MetricData=[
            {
                "MetricName": "Load",
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": FLEET}],
                "Timestamp": now - timedelta(minutes=minute),
                "Value": value,
            }
            for minute in range(7)
        ],
    )


@pytest.fixture
def other_account(lab: LabProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection that assumes a role in another account."""
    sts = {"sts": {"endpoint_url": lab.url}}
    extra = {"region_name": "eu-west-1", "endpoint_url": lab.url, "role_arn": ROLE, "service_config": sts}
    value = {"conn_type": "aws", "login": "lab", "password": "lab", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_OTHER", json.dumps(value))
    return "aws_other"


def test_each_metric_is_read_where_it_is(lab: LabProcess, connection: str, other_account: str, tmp_path: Path) -> None:
    """Here, in another region, and by a role in another account: three values, none taken for another."""
    now = datetime.now(UTC)
    publish(client("cloudwatch", lab.url), 1.0, now)
    there = {"endpoint_url": lab.url, "aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
    publish(boto3.client("cloudwatch", region_name="us-east-1", **there), 2.0, now)
    role = boto3.client("sts", region_name="eu-west-1", **there).assume_role(RoleArn=ROLE, RoleSessionName="test")
    assumed = boto3.client(
        "cloudwatch",
        region_name="eu-west-1",
        endpoint_url=lab.url,
        aws_access_key_id=role["Credentials"]["AccessKeyId"],
        aws_secret_access_key=role["Credentials"]["SecretAccessKey"],
        aws_session_token=role["Credentials"]["SessionToken"],
    )
    publish(assumed, 3.0, now)
    asked = policy(
        here={}, region={"region": "us-east-1"}, account={"connection": other_account}, nowhere={"region": "sa-east-1"}
    )
    store = BatchStore(tmp_path)

    batch = pull(asked, [FLEET], now, sources_for(asked), store)

    found = store.read(batch).groupby("metric")["value"].unique().map(list).to_dict()
    assert found == {"here": [1.0], "region": [2.0], "account": [3.0]}
    assert {one.metric: one.points for one in batch.series} == {"here": 5, "region": 5, "account": 5, "nowhere": 0}
