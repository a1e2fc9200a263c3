"""``source: aws.cloudwatch`` in a policy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from setpoint.sources.cloudwatch_metric import STANDARD_UNITS, CloudWatchMetric

_GOOD: dict[str, Any] = {
    "source": "aws.cloudwatch",
    "namespace": "AWS/EC2",
    "name": "CPUUtilization",
    "statistic": "Average",
    "period": "1m",
    "window": "10m",
}


def _problems(**keys: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        CloudWatchMetric.model_validate({**_GOOD, **keys})
    return {".".join(map(str, one["loc"])): one["msg"] for one in refused.value.errors()}


def test_the_defaults_are_an_auto_scaling_group() -> None:
    """A metric that says no dimension is read by group name."""
    metric = CloudWatchMetric.model_validate(_GOOD)
    assert (metric.dimension, metric.dimensions, metric.expected_points) == ("AutoScalingGroupName", {}, 10)


@pytest.mark.parametrize("period", ["1s", "5s", "10s", "20s", "30s", "1m", "5m", "1h"])
def test_periods_cloudwatch_knows_are_taken(period: str) -> None:
    """The periods of MetricStat.Period in the API reference."""
    assert CloudWatchMetric.model_validate({**_GOOD, "period": period, "window": "1h"}).period_seconds > 0


@pytest.mark.parametrize("period", ["0s", "2s", "15s", "45s", "90s"])
def test_other_periods_are_refused_with_those_there_are(period: str) -> None:
    """A period CloudWatch would refuse at three in the morning is refused when the policy is read."""
    assert "1s, 5s, 10s, 20s, 30s" in _problems(period=period)["period"]


@pytest.mark.parametrize(
    ("window", "suggestion"), [("90s", "1m or 2m"), ("30s", "such as 1m"), ("0s", "such as 1m"), ("5m1s", "5m or 6m")]
)
def test_a_window_is_whole_periods(window: str, suggestion: str) -> None:
    """The message names the nearest windows that would do."""
    assert suggestion in _problems(window=window)["window"]


@pytest.mark.parametrize(
    "statistic",
    [
        *("Average", "Sum", "Minimum", "Maximum", "SampleCount", "IQM", "p95", "p99.9", "p0", "p100", "tm90", "wm98"),
        *("TM(2%:98%)", "TM(150:1000)", "PR(:300)", "TS(80%:)"),
    ],
)
def test_cloudwatch_statistics_are_taken(statistic: str) -> None:
    """The forms of "CloudWatch statistics definitions"."""
    assert CloudWatchMetric.model_validate({**_GOOD, "statistic": statistic}).statistic == statistic


@pytest.mark.parametrize(
    ("statistic", "hint"),
    [
        ("average", "Average"),
        ("avg", "Average"),
        ("max", "Maximum"),
        ("Averge", "Average"),
        ("p101", "p100"),
        ("x", "p95"),
    ],
)
def test_other_statistics_are_refused_with_what_may_be_meant(statistic: str, hint: str) -> None:
    """A misspelt statistic gets a suggestion."""
    assert hint in _problems(statistic=statistic)["statistic"]


def test_points_that_are_no_longer_kept_are_refused() -> None:
    """High-resolution points live three hours, minutes fifteen days: a longer look back would find nothing."""
    assert "multiples of 1m" in _problems(period="10s", window="3h", settle="1m")[""]
    assert "multiples of 5m" in _problems(period="1m", window="16d")[""]
    assert "455d" in _problems(period="1h", window="456d")[""]
    assert CloudWatchMetric.model_validate({**_GOOD, "period": "10s", "window": "3h"}).expected_points == 1080


def test_dimensions_cloudwatch_would_refuse_are_refused() -> None:
    """Names and values are ASCII, the target's own dimension stands once, and thirty is the most."""
    assert "ASCII" in next(iter(_problems(dimensions={"Ort": "Köln"}).values()))
    assert "colon" in _problems(dimension=":x")["dimension"]
    assert "leave it out" in _problems(dimensions={"AutoScalingGroupName": "web"})["dimensions"]
    assert "30 dimensions" in _problems(dimensions={f"d{number}": "x" for number in range(30)})["dimensions"]


def test_every_mistake_is_reported_at_once() -> None:
    """Five mistakes are five problems, each at its own place."""
    problems = _problems(period="7s", statistic="avg", namespace=":x", name="", dimension="é", perod="1m")
    assert set(problems) == {"period", "statistic", "namespace", "name", "dimension", "perod"}


def test_standard_units_are_those_of_the_api() -> None:
    """Our list of units and the service model agree."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("cloudwatch")
    assert frozenset(model.shape_for("StandardUnit").enum) == STANDARD_UNITS


@pytest.mark.parametrize(
    ("unit", "asked"), [("Percent", "Percent"), ("percent", None), ("requests/s", None), ("", None)]
)
def test_only_a_standard_unit_is_asked_for(unit: str, asked: str | None) -> None:
    """A unit spelled as CloudWatch spells it filters the data; any other is a word for people."""
    assert CloudWatchMetric.model_validate({**_GOOD, "unit": unit}).query_unit == asked
