"""PutMetricAlarm: the checks of the real API."""

from collections.abc import Mapping
from typing import Any

from setpoint.lab.aws.alarm_rules import COMPARISONS, MISSING_DATA
from setpoint.lab.aws.errors import ValidationError
from setpoint.lab.aws.statistics import is_statistic


def check_alarm(parameters: Mapping[str, Any]) -> None:
    """Raise AWS's ValidationError for an alarm it would refuse.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    if parameters.get("metric_data_queries"):
        raise ValidationError(
            "Alarms on metric math are not available in the practice AWS; give MetricName, Namespace and Statistic."
        )
    statistic, extended = parameters.get("statistic"), parameters.get("extended_statistic")
    if bool(statistic) == bool(extended):
        raise ValidationError("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if not is_statistic(extended or statistic or ""):
        raise ValidationError(f"The value {extended or statistic} for parameter Statistic is not supported.")
    period = parameters.get("period")
    if period is None or (period not in (10, 20, 30) and (period <= 0 or period % 60)):
        raise ValidationError(f"Period must be 10, 20, 30 or a multiple of 60, but was {period}.")
    if parameters.get("comparison_operator") not in COMPARISONS:
        raise ValidationError(
            f"The value {parameters.get('comparison_operator')} for parameter ComparisonOperator is not supported, "
            f"allowed: {', '.join(COMPARISONS)}."
        )
    if parameters.get("threshold") is None:
        raise ValidationError("The parameter Threshold is required.\n")
    periods, datapoints = parameters.get("evaluation_periods"), parameters.get("datapoints_to_alarm")
    if not periods or periods < 1:
        raise ValidationError("The parameter EvaluationPeriods must be at least 1.")
    if datapoints is not None and not 1 <= datapoints <= periods:
        raise ValidationError(f"DatapointsToAlarm ({datapoints}) must be between 1 and EvaluationPeriods ({periods}).")
    if period * periods > 7 * 86_400:
        raise ValidationError("Metrics cannot be checked across more than seven days (EvaluationPeriods * Period).")
    if parameters.get("treat_missing_data") not in (None, *MISSING_DATA):
        raise ValidationError(
            f"Option {parameters['treat_missing_data']} is not supported. Supported options for parameter "
            "TreatMissingData are breaching, notBreaching, ignore, and missing."
        )
