"""From a policy to its clients: the connection, the region, the limits, and what is missing in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from setpoint.lab.faults import FaultKind
from setpoint.ledger.leases import CALL_SECONDS, LEASE_SECONDS
from setpoint.model import ChangeState, PlannedChange
from setpoint.policy.schema import Policy
from setpoint.sources.contract import SourceError
from setpoint.targets.autoscaling_group import AutoScalingGroupReader, AutoScalingGroupTarget
from setpoint.targets.contract import TargetError
from setpoint.testing.values import permitted
from setpoint_airflow.connections.aws import MutationRefusedError, client
from setpoint_airflow.connections.contract import ConnectionProblemError
from setpoint_airflow.providers import reader_for, sources_for, target_for


def policy(group: str = "web", connection: str = "aws_lab", region: str | None = None) -> Policy:
    return Policy.model_validate(
        {
            "version": 1,
            "name": "web-tier",
            "owner": "platform",
            "targets": {"kind": "aws.autoscaling_group", "names": [group], "connection": connection, "region": region},
            "metrics": {
                "cpu": {
                    "source": "aws.cloudwatch",
                    "namespace": "AWS/EC2",
                    "name": "CPUUtilization",
                    "statistic": "Average",
                    "period": "60s",
                    "window": "5m",
                }
            },
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "cpu"},
                "out": {"above": 70, "for": "3 of 5", "add": 1},
            },
            "limits": {"min": 1, "max": 6},
            "feedback": {"after": "1m", "healthy": {"cpu": {"max": 90}}},
        }
    )


def set_connection(monkeypatch: pytest.MonkeyPatch, name: str, **parts: Any) -> None:
    value = {"conn_type": "aws", **{key: part for key, part in parts.items() if key != "extra"}}
    value["extra"] = json.dumps(parts.get("extra", {}))
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(value))


def change(group: str) -> PlannedChange:
    return PlannedChange(
        change_id="c1",
        policy="web-tier",
        run_id="r1",
        target=group,
        target_kind="aws.autoscaling_group",
        action="scale_out",
        from_units=2,
        to_units=3,
        reason="cpu above 70",
        dry_run=False,
    )


def test_the_target_changes_and_the_reader_reads(group: Any, connection: str) -> None:
    """One policy gives a target that changes and a reader that has nothing to change with, over the same connection."""
    name = group(desired=2)
    reader, target = reader_for(policy(name)), target_for(policy(name))
    assert type(reader) is AutoScalingGroupReader
    assert isinstance(target, AutoScalingGroupTarget)
    assert target.apply(change(name), permitted).state is ChangeState.APPLIED
    assert reader.read((name,))[name].desired_units == 3


def test_the_readers_client_refuses_to_change(group: Any, lab: Any, connection: str) -> None:
    """Even the client beneath a reader sends no call that changes anything."""
    name = group(desired=2)
    reading = client("autoscaling", connection, None, read_only=True)
    before = len(lab.client.calls())
    with pytest.raises(MutationRefusedError, match="SetDesiredCapacity would change something"):
        reading.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=3)
    assert len(lab.client.calls()) == before
    assert reading.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]


def test_sources_of_a_policy(connection: str) -> None:
    """Each source the metrics name is built once."""
    assert [type(one).__name__ for one in sources_for(policy()).values()] == ["CloudWatchSource"]


def test_each_metric_may_name_its_own_connection_and_region(monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    """One source for each connection and region, each with its own client; the targets' where a metric names none."""
    set_connection(monkeypatch, "aws_other", login="o", password="o", extra={"region_name": "ap-south-1"})
    base = policy(region="us-west-2").model_dump(by_alias=True, mode="json", exclude_defaults=True)
    cpu = {"source": "aws.cloudwatch", **base["metrics"]["cpu"]}
    base["metrics"] = {
        "cpu": cpu,
        "again": cpu,
        "there": {**cpu, "region": "us-east-1"},
        "other": {**cpu, "connection": "aws_other"},
        "both": {**cpu, "connection": "aws_other", "region": "eu-west-1"},
    }
    built = sources_for(Policy.model_validate({"version": 1, **base}))
    assert {origin: source._client.meta.region_name for origin, source in built.items()} == {  # type: ignore[attr-defined]
        "aws.cloudwatch": "us-west-2",
        "aws.cloudwatch in us-east-1": "us-east-1",
        "aws.cloudwatch via aws_other": "ap-south-1",
        "aws.cloudwatch via aws_other in eu-west-1": "eu-west-1",
    }


def test_a_metrics_own_connection_that_is_missing_is_named(connection: str) -> None:
    """The policy, the metric and the connection stand in the message, so that the line to mend is found."""
    base = policy().model_dump(by_alias=True, mode="json")
    base["metrics"]["cpu"]["connection"] = "monitoring"
    with pytest.raises(
        SourceError, match=r"web-tier, metrics\.cpu \(aws\.cloudwatch via monitoring\).*AIRFLOW_CONN_MONIT"
    ):
        sources_for(Policy.model_validate(base))


def test_calls_end_and_are_repeated_as_declared(connection: str) -> None:
    """5 s to connect, 20 s for an answer, 5 attempts in standard mode."""
    config = client("autoscaling", connection, None, read_only=True).meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 5)


def test_the_connections_own_settings_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """``config_kwargs`` of the connection replace ours one by one; what it does not say stays ours."""
    extra = {"region_name": "eu-west-1", "config_kwargs": {"read_timeout": 60}}
    set_connection(monkeypatch, "aws_slow", login="lab", password="lab", extra=extra)
    config = client("autoscaling", "aws_slow", None, read_only=True).meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 60)


def test_a_client_that_can_change_sends_each_request_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changing call ends while its lease lasts and is never repeated unread, whatever the connection says."""
    extra = {"region_name": "eu-west-1", "config_kwargs": {"read_timeout": 600, "retries": {"max_attempts": 9}}}
    set_connection(monkeypatch, "aws_slow", login="lab", password="lab", extra=extra)
    config = client("autoscaling", "aws_slow", None).meta.config
    addresses = 3
    assert addresses * config.connect_timeout + config.read_timeout < CALL_SECONDS < LEASE_SECONDS
    assert config.retries["total_max_attempts"] == 1


def test_a_failed_call_is_not_sent_again_unread(group: Any, lab: Any, connection: str) -> None:
    """Of a changing call that AWS answers with a server's error, AWS sees one request."""
    name, changing = group(desired=2), client("autoscaling", connection, None)
    before = len(lab.client.calls())
    lab.client.fault(FaultKind.API_DOWN, services=("autoscaling",))
    try:
        with pytest.raises(ClientError):
            changing.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=3)
    finally:
        lab.client.remove_faults(FaultKind.API_DOWN)
    assert [one.action for one in lab.client.calls()[before:]].count("SetDesiredCapacity") == 1


def test_region_of_the_policy_before_the_connections(connection: str) -> None:
    """A policy's region wins; without one it is the connection's."""
    assert client("autoscaling", connection, "us-east-1").meta.region_name == "us-east-1"
    assert client("autoscaling", connection, None).meta.region_name == "eu-west-1"


def test_a_missing_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy, the connection and both ways to make it are named; the machine's own credentials are not used."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-machine")
    expected = r"policy web-tier.*: the Airflow connection 'aws_prod' does not exist.*AIRFLOW_CONN_AWS_PROD"
    for build in (target_for, reader_for):
        with pytest.raises(TargetError, match=expected) as caught:
            build(policy(connection="aws_prod"))
        assert not caught.value.retryable
    with pytest.raises(SourceError, match=expected) as source:
        sources_for(policy(connection="aws_prod"))
    assert not source.value.retryable


def test_a_connection_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty connection on a machine without a role says what to set."""
    set_connection(monkeypatch, "aws_empty", extra={"region_name": "eu-west-1"})
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConnectionProblemError, match=r"'aws_empty' has no credentials.*login \(access key id\)"):
        client("autoscaling", "aws_empty", None)


def test_an_empty_connection_uses_the_machines_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has credentials, an empty connection says to use them."""
    set_connection(monkeypatch, "aws_role", extra={"region_name": "eu-west-1"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-machine")
    assert client("autoscaling", "aws_role", None).meta.region_name == "eu-west-1"


def test_no_region_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region the message says where one can be set."""
    set_connection(monkeypatch, "aws_nowhere", login="lab", password="lab")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConnectionProblemError, match=r"set region in the policy, or region_name in the extra"):
        client("autoscaling", "aws_nowhere", None)
