"""The metric threshold sensor: the policy's own predicate, poked and deferred."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from setpoint.lab.faults import FaultKind
from setpoint.lab.provision import client
from setpoint.strategies.threshold import Above, breaches
from setpoint_airflow.metric_watch import MetricWatch, WatchError
from setpoint_airflow.providers import sources_for
from setpoint_airflow.sensors.metric_threshold import MetricThresholdSensor
from setpoint_airflow.triggers.metric_threshold import MetricThresholdTrigger

METRIC = {
    "source": "aws.cloudwatch",
    "namespace": "Test/Edge",
    "name": "Load",
    "statistic": "Average",
    "period": "10s",
    "window": "50s",
    "unit": "Percent",
}
ABOVE = {"above": 70, "for": "3 of 5"}
_NUMBERS = itertools.count(1)


@pytest.fixture
def published(lab: Any) -> Callable[[Sequence[float | None]], str]:
    """Publish the newest points of a new target's load, oldest first; ``None`` publishes nothing.

    The last value goes on for a minute that is yet to come: the window moves on while a slow machine gets to its look.
    """

    def publish(values: Sequence[float | None]) -> str:
        target = f"watched-{os.getpid()}-{next(_NUMBERS)}"
        newest = datetime.fromtimestamp(datetime.now(UTC).timestamp() // 10 * 10, UTC) - timedelta(seconds=10)
        to_come = values[-1:] * 6
        moments = [newest + timedelta(seconds=10 * step) for step in range(1 - len(values), 1 + len(to_come))]
        data = [
            {
                "MetricName": "Load",
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": target}],
                "Timestamp": moment,
                "Value": value,
                "Unit": "Percent",
                "StorageResolution": 1,
            }
            for moment, value in zip(moments, [*values, *to_come], strict=True)
            if value is not None
        ]
        if data:
            client("cloudwatch", lab.url).put_metric_data(Namespace="Test/Edge", MetricData=data)
        return target

    return publish


def sensor(targets: str | list[str], **arguments: Any) -> MetricThresholdSensor:
    settings: dict[str, Any] = {
        "metric": METRIC,
        "rule": ABOVE,
        "quality": {"max_age": "2m", "min_coverage": 0.6, "full_coverage": 0.6},
        "aws_conn_id": "aws_lab",
        "poke_interval": 0.1,
        "timeout": 0,
        **arguments,
    }
    return MetricThresholdSensor(task_id="hot", targets=targets, **settings)


def run(operator: MetricThresholdSensor, context: Any) -> Any:
    """Look in the worker, or as the trigger does: rebuilt from the database, its event handed to the sensor.

    Where nothing has crossed after one whole look, both paths end in the sensor's timeout.
    """
    if not operator.deferrable:
        return operator.execute(context)
    trigger = MetricThresholdTrigger(**operator._parameters, poke_interval=operator.poke_interval)
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    rebuilt = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))
    with patch("asyncio.sleep", _no_second_look):
        event = asyncio.run(_first_event(rebuilt))
    return operator.resume_execution("execute_complete", {"event": event}, context)


async def _no_second_look(_: float) -> None:
    raise AirflowSensorTimeout("looked once")


async def _first_event(trigger: Any) -> Any:
    async with asyncio.timeout(60):
        async for event in trigger.run():
            return event.payload
    raise AssertionError("the trigger ended without an event")


both_paths = pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])


@both_paths
def test_ends_when_enough_points_are_above(published: Any, connection: str, context: Any, deferrable: bool) -> None:
    """Three and more of five points above the threshold end the wait, with what was seen."""
    target = published([90, 91, 92, 93, 94, 95])
    seen = run(sensor(target, deferrable=deferrable), context)
    assert set(seen) == {target}
    assert "5 of the newest 5 points above 70" in seen[target]


@both_paths
@pytest.mark.parametrize("values", [[10, 20, 30, 40, 50, 60], [90, 10, 10, 90, 10, 10]], ids=["below", "too few above"])
def test_waits_while_it_is_not_crossed(
    published: Any, connection: str, context: Any, values: list[float], deferrable: bool
) -> None:
    """Fewer points than the rule needs do not end the wait."""
    with pytest.raises(AirflowSensorTimeout):
        run(sensor(published(values), deferrable=deferrable), context)


@both_paths
def test_data_that_fails_the_gate_counts_for_nothing(
    published: Any, connection: str, context: Any, deferrable: bool
) -> None:
    """Values no percentage can have are not a breach, unless the gate is switched off."""
    target = published([900, 900, 900, 900, 900, 900])
    strict = {"quality": {"between": [0, 100]}, "deferrable": deferrable}
    with pytest.raises(AirflowSensorTimeout):
        run(sensor(target, **strict), context)
    assert target in run(sensor(target, **strict, gate=False), context)


@both_paths
def test_no_data_is_no_breach(published: Any, connection: str, context: Any, deferrable: bool) -> None:
    """A target without points has not crossed a threshold, in either direction."""
    nothing = published([])
    rule = {"below": 30, "for": "1 of 5"}
    for gate in (True, False):
        with pytest.raises(AirflowSensorTimeout):
            run(sensor(nothing, rule=rule, gate=gate, deferrable=deferrable), context)


@both_paths
def test_all_or_any_of_several_targets(published: Any, connection: str, context: Any, deferrable: bool) -> None:
    """By default every target must have crossed; with ``any`` one is enough."""
    hot, cold = published([90] * 6), published([10] * 6)
    with pytest.raises(AirflowSensorTimeout):
        run(sensor([hot, cold], deferrable=deferrable), context)
    seen = run(sensor([hot, cold], require="any", deferrable=deferrable), context)
    assert list(seen) == [hot, cold]


def test_a_crossing_while_deferred_is_seen(lab: Any, published: Any, connection: str, context: Any) -> None:
    """Deferred before the metric crossed, the sensor ends once the points are published."""
    waiting = sensor("appears-later", deferrable=True, timeout=60)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute(context)
    assert deferred.value.timeout == timedelta(seconds=60)
    target = published([95] * 6)
    trigger = MetricThresholdTrigger(**{**deferred.value.trigger.serialize()[1], "targets": target})
    event = asyncio.run(_first_event(trigger))
    assert waiting.execute_complete(context, event) == event["value"]


@both_paths
def test_a_connection_that_is_not_there_fails_at_once(context: Any, deferrable: bool) -> None:
    """A connection that does not exist will not come into being by waiting: the task fails and names it."""
    with pytest.raises(AirflowFailException, match="connection 'aws_nowhere' does not exist"):
        run(sensor("any", aws_conn_id="aws_nowhere", deferrable=deferrable), context)
    with pytest.raises(AirflowSkipException):
        run(sensor("any", aws_conn_id="aws_nowhere", deferrable=deferrable, soft_fail=True), context)


def test_the_look_before_deferring_fails_the_same_way(context: Any) -> None:
    """What fails for good fails before the task defers, and soft_fail skips there too."""
    with pytest.raises(AirflowFailException, match="connection 'aws_nowhere' does not exist"):
        sensor("any", aws_conn_id="aws_nowhere", deferrable=True).execute(context)
    with pytest.raises(AirflowSkipException):
        sensor("any", aws_conn_id="aws_nowhere", deferrable=True, soft_fail=True).execute(context)


def test_a_crossing_that_is_there_already_needs_no_deferral(published: Any, connection: str, context: Any) -> None:
    """The look before deferring ends the task when there is nothing to wait for."""
    target = published([95] * 6)
    assert set(sensor(target, deferrable=True).execute(context)) == {target}


@both_paths
def test_a_passing_error_is_waited_out(
    lab: Any, published: Any, connection: str, context: Any, deferrable: bool
) -> None:
    """While CloudWatch is down the sensor goes on waiting; it neither fails nor takes it for a crossing."""
    target = published([95] * 6)
    lab.client.fault(FaultKind.API_DOWN, services=("monitoring",))
    try:
        with pytest.raises(AirflowSensorTimeout):
            run(sensor(target, deferrable=deferrable), context)
    finally:
        lab.client.remove_faults()
    assert set(run(sensor(target, deferrable=deferrable), context)) == {target}


@both_paths
def test_wrong_parameters_are_listed_together(connection: str, context: Any, deferrable: bool) -> None:
    """Every mistake is named at the sensor's own parameter."""
    wrong = sensor(
        "any",
        metric={**METRIC, "period": "7s", "statistc": "Average"},
        rule={"above": "hot", "for": "9 of 5"},
        deferrable=deferrable,
    )
    with pytest.raises(AirflowFailException) as caught:
        run(wrong, context)
    text = str(caught.value)
    for part in ("metric.period: ", "metric.statistc: ", "rule.above: ", "rule.for: "):
        assert part in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": {"for": "3 of 5"}}, "above or below"),
        ({"rule": {"above": 1, "below": 2, "for": "3 of 5"}}, "above or below"),
        ({"rule": {"above": 1, "for": "3 of 6"}}, "looks at 6 points, but the metric's window has 5"),
        ({"targets": []}, "at least one target"),
        ({"targets": [""]}, "no empty one"),
        ({"require": "most"}, "all or any; got 'most'"),
        ({"quality": {"between": [1, 0]}}, "quality"),
        ({"aws_conn_id": ""}, "aws_conn_id"),
    ],
)
def test_what_makes_no_watch(change: dict[str, Any], words: str) -> None:
    """A watch that can never end, or that nobody can read, is refused."""
    parameters: dict[str, Any] = {
        "targets": "web",
        "metric": METRIC,
        "rule": ABOVE,
        "quality": None,
        "require": "all",
        "gate": True,
        "aws_conn_id": "aws_default",
        "region_name": None,
        **change,
    }
    with pytest.raises(WatchError, match=words):
        MetricWatch.of(**parameters)


@pytest.mark.parametrize("values", [[90, 90, 10, 90, 10, 90], [90, 10, 10, 10, 90, 10], [10, None, 90, 90, None, 90]])
def test_agrees_with_the_strategy(published: Any, connection: str, values: list[float | None]) -> None:
    """The watch says what the threshold strategy's own function says of the same points."""
    rule = Above.model_validate({**ABOVE, "add": 1})
    target = published(values)
    watch = MetricWatch.of(
        targets=target,
        metric=METRIC,
        rule=ABOVE,
        quality=None,
        require="all",
        gate=False,
        aws_conn_id="aws_lab",
        region_name=None,
    )
    newest = datetime.now(UTC)
    met = watch.look(sources_for(watch.policy), newest).met
    assert met in {breaches(values[-5:], rule), breaches([*values[-4:], values[-1]], rule)}
