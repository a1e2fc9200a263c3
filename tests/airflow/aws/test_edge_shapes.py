"""What every operator, sensor and trigger of the AWS edge keeps, whatever it does."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from setpoint_airflow.hooks.autoscaling import CAPACITY_WAITERS, AutoScalingHook
from setpoint_airflow.links.autoscaling import AutoScalingGroupLink
from setpoint_airflow.operators.autoscaling import AutoScalingSetDesiredCapacityOperator
from setpoint_airflow.sensors.autoscaling import AutoScalingGroupCapacitySensor
from setpoint_airflow.sensors.logs_insights import LogsInsightsSensor
from setpoint_airflow.sensors.metric_threshold import MetricThresholdSensor
from setpoint_airflow.triggers.autoscaling import AutoScalingGroupCapacityTrigger
from setpoint_airflow.triggers.logs_insights import LogsInsightsTrigger
from setpoint_airflow.triggers.metric_threshold import MetricThresholdTrigger

METRIC = {
    "source": "aws.cloudwatch",
    "namespace": "AWS/EC2",
    "name": "CPUUtilization",
    "statistic": "Average",
    "period": "60s",
    "window": "5m",
}
RULE = {"above": 70, "for": "3 of 5"}

OPERATORS: list[tuple[type[Any], dict[str, Any]]] = [
    (
        AutoScalingSetDesiredCapacityOperator,
        {"auto_scaling_group_name": "web", "desired_capacity": "{{ params.n }}", "deferrable": True},
    ),
    (AutoScalingGroupCapacitySensor, {"auto_scaling_group_name": "web", "capacity": 3}),
    (MetricThresholdSensor, {"targets": ["web"], "metric": METRIC, "rule": RULE, "quality": {"between": [0, 100]}}),
    (LogsInsightsSensor, {"log_groups": ["/ecs/web"], "query": "fields @message", "window": "{{ params.w }}"}),
]

TRIGGERS = [
    AutoScalingGroupCapacityTrigger(auto_scaling_group_name="web", capacity=3),
    AutoScalingGroupCapacityTrigger(
        auto_scaling_group_name="web",
        capacity=0,
        waiter_name="capacity_at_most",
        return_value={"desired_capacity": 0, "changed": True},
        waiter_delay=1,
        waiter_max_attempts=2,
        aws_conn_id=None,
        region_name="eu-west-1",
        verify=False,
        botocore_config={"read_timeout": 20},
    ),
    LogsInsightsTrigger(log_groups="/ecs/web", query="fields @message", window="5m"),
    LogsInsightsTrigger(
        log_groups=("/ecs/web", "/ecs/api"),
        query="stats count(*) as errors",
        window="1h",
        rule={"field": "errors", "above": 5},
        limit=10,
        query_timeout=60,
        query_poll_interval=2,
        poke_interval=30,
        aws_conn_id=None,
        region_name="eu-west-1",
        verify=False,
        botocore_config={"read_timeout": 20},
    ),
    MetricThresholdTrigger(targets="web", metric=METRIC, rule=RULE),
    MetricThresholdTrigger(
        targets=("web", "api"),
        metric=METRIC,
        rule={"below": 30, "for": "5 of 5"},
        quality={"max_age": "3m"},
        require="any",
        gate=False,
        poke_interval=5,
        aws_conn_id="aws_lab",
        region_name="eu-west-1",
    ),
]

operators = pytest.mark.parametrize(
    ("kind", "arguments"), OPERATORS, ids=lambda value: value.__name__ if isinstance(value, type) else ""
)
triggers = pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: type(trigger).__name__)


@operators
def test_template_fields_are_arguments_kept_as_given(kind: type[Any], arguments: dict[str, Any]) -> None:
    """Each template field is an argument of the constructor, and the constructor only assigns it."""
    operator = kind(task_id="t", **arguments)
    accepted = {name for one in kind.__mro__ for name in inspect.signature(one.__init__).parameters}
    assert set(kind.template_fields) <= accepted
    for field in kind.template_fields:
        assert hasattr(operator, field)
        if field in arguments:
            assert getattr(operator, field) == arguments[field]
    with pytest.raises(TypeError):
        kind("positional")


@operators
def test_survives_being_stored_with_its_dag(kind: type[Any], arguments: dict[str, Any]) -> None:
    """A task serialised with its Dag comes back with the same fields, and serialises to the same again."""
    with DAG("shapes", schedule=None) as dag:
        kind(task_id="t", **arguments)
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    back = DagSerialization.from_dict(stored).get_task("t")
    assert back.task_type == kind.__name__
    assert list(back.template_fields) == list(kind.template_fields)
    for field in kind.template_fields:
        if field in arguments:
            assert getattr(back, field) == arguments[field]


@operators
def test_says_what_it_does(kind: type[Any], arguments: dict[str, Any]) -> None:
    """Every argument of its own is described."""
    text = inspect.getdoc(kind) or ""
    own = [name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "kwargs")]
    assert [name for name in own if f":param {name}:" not in text] == []


@triggers
def test_trigger_is_rebuilt_equal(trigger: Any) -> None:
    """A trigger goes through the database as JSON and comes back the same."""
    path, arguments = trigger.serialize()
    stored = json.loads(json.dumps(arguments))
    module, _, name = path.rpartition(".")
    rebuilt = getattr(importlib.import_module(module), name)(**stored)
    assert type(rebuilt) is type(trigger)
    assert rebuilt.serialize() == (path, stored)


@triggers
def test_trigger_does_not_come_from_a_dag_bundle(trigger: Any) -> None:
    """The triggerer can import it: its path is a module of the package, not a file Airflow loaded by its name."""
    assert trigger.serialize()[0].startswith("setpoint_airflow.triggers.")


@pytest.mark.parametrize("waiter", CAPACITY_WAITERS)
def test_waiter_file_is_found_and_filled_in(waiter: Any) -> None:
    """The hook finds its own waiters, and the capacity stands in the acceptor as a number."""
    hook = AutoScalingHook(aws_conn_id=None)
    assert Path(hook.waiter_path).is_file()
    acceptors = hook.capacity_acceptors(waiter, 7)
    assert [one["state"] for one in acceptors] == ["failure", "failure", "success"]
    assert acceptors[-1]["argument"].endswith("= to_number('7')")


def test_capacity_is_never_text_in_an_acceptor() -> None:
    """What stands in a JMESPath expression is a number, whatever was asked for."""
    with pytest.raises(ValueError, match="invalid literal"):
        AutoScalingHook(aws_conn_id=None).capacity_acceptors("capacity_at_least", "1') || to_number('0")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stored", "link"),
    [
        (
            {"region_name": "eu-west-1", "aws_domain": "aws.amazon.com", "auto_scaling_group_name": "web"},
            "https://console.aws.amazon.com/ec2/home?region=eu-west-1#AutoScalingGroupDetails:id=web;view=details",
        ),
        (
            {"region_name": "cn-north-1", "aws_domain": "amazonaws.cn", "auto_scaling_group_name": "a b/<c>"},
            "https://console.amazonaws.cn/ec2/home?region=cn-north-1#AutoScalingGroupDetails:id=a%20b%2F%3Cc%3E;view=details",
        ),
        ({"region_name": "us-iso-east-1", "aws_domain": None, "auto_scaling_group_name": "web"}, ""),
        ({}, ""),
    ],
)
def test_console_link(stored: dict[str, Any], link: str) -> None:
    """The link leads to the group, its name escaped; where the console's address is not known there is none."""
    assert AutoScalingGroupLink().format_link(**stored) == link
