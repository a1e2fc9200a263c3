"""PutMetricData: the checks of the real API, and the samples that come out of a request.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
One check is left out on purpose: AWS refuses namespaces that begin with `AWS/`, here a test may write to them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from setpoint.lab.aws.errors import InvalidParameterCombination, InvalidParameterValue, ValidationError
from setpoint.lab.aws.queries import metric_key
from setpoint.lab.aws.store import HIGH_RESOLUTION, STANDARD_RESOLUTION, MetricKey, Sample
from setpoint.lab.clock import epoch

MAX_METRICS = 1000
MAX_VALUES = 150
MAX_DIMENSIONS = 30
PAST_SECONDS = 14 * 86_400
FUTURE_SECONDS = 2 * 3600
LIMIT = 2.0**360

Checked = tuple[MetricKey, list[Sample], int]


def checked_samples(namespace: str, metric_data: Sequence[Mapping[str, Any]], now: float) -> list[Checked]:
    """Return the samples of a request by metric and resolution.

    :param now: epoch seconds; the time of a datum that names none.
    :raises LabServiceError: for the first datum that AWS would refuse.
    """
    if len(metric_data) > MAX_METRICS:
        raise InvalidParameterValue(f"The collection MetricData must not have a size greater than {MAX_METRICS}.")
    return [
        _checked(namespace, datum, f"MetricData.member.{number}", now)
        for number, datum in enumerate(metric_data, start=1)
    ]


def _checked(namespace: str, datum: Mapping[str, Any], where: str, now: float) -> Checked:
    dimensions = datum.get("Dimensions") or []
    if len(dimensions) > MAX_DIMENSIONS:
        raise InvalidParameterValue(f"The collection {where}.Dimensions must not have a size greater than 30.")
    resolution = int(datum.get("StorageResolution") or STANDARD_RESOLUTION)
    if resolution not in (HIGH_RESOLUTION, STANDARD_RESOLUTION):
        raise InvalidParameterValue(f"The value {resolution} for parameter {where}.StorageResolution is invalid.")
    stamp = datum.get("Timestamp")
    moment = now if stamp is None else epoch(stamp)
    if not now - PAST_SECONDS <= moment <= now + FUTURE_SECONDS:
        raise InvalidParameterValue(
            f"The parameter {where}.Timestamp must specify a time within the past two weeks, "
            "and no more than two hours in the future."
        )
    key = metric_key(namespace, datum["MetricName"], dimensions)
    return key, _samples(datum, where, moment), resolution


def _samples(datum: Mapping[str, Any], where: str, moment: float) -> list[Sample]:
    unit = datum.get("Unit")
    given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) not in (None, [])]
    if len(given) > 1:
        raise InvalidParameterCombination(
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive "
            "and you have specified both."
        )
    if not given:
        raise ValidationError(
            f"At least one of the parameters {where}.Value, {where}.Values or {where}.StatisticValues "
            "must be specified."
        )
    if given == ["Value"]:
        return [Sample.of_value(moment, _number(datum["Value"], f"{where}.Value"), unit=unit)]
    if given == ["Values"]:
        return _counted(datum, where, moment, unit)
    statistics = datum["StatisticValues"]
    names = ("SampleCount", "Sum", "Minimum", "Maximum")
    missing = [name for name in names if statistics.get(name) is None]
    if missing:
        raise ValidationError(f"The parameter {where}.StatisticValues.{missing[0]} is required.\n")
    count, total, low, high = (_number(statistics[name], f"{where}.StatisticValues.{name}") for name in names)
    return [Sample(moment, count, total, low, high, unit)]


def _counted(datum: Mapping[str, Any], where: str, moment: float, unit: str | None) -> list[Sample]:
    values = datum["Values"]
    counts = datum.get("Counts") or [1.0] * len(values)
    if len(values) > MAX_VALUES:
        raise InvalidParameterValue(f"The collection {where}.Values must not have a size greater than {MAX_VALUES}.")
    if len(counts) != len(values):
        raise InvalidParameterValue(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    return [
        Sample.of_value(moment, _number(value, f"{where}.Values"), _number(count, f"{where}.Counts"), unit)
        for value, count in zip(values, counts, strict=True)
    ]


def _number(value: Any, where: str) -> float:
    number = float(value)
    if math.isnan(number):
        raise InvalidParameterValue(f"The value NaN for parameter {where} is invalid.")
    if math.isinf(number) or abs(number) > LIMIT:
        raise InvalidParameterValue(f"The value {number} for parameter {where} is invalid.")
    return number
