"""The messages CloudWatch sends when an alarm changes its state."""

import json
from datetime import datetime
from typing import Any

from setpoint.lab.aws.alarm_rules import COMPARISONS, Verdict

# The long names that appear in the messages.
# https://docs.aws.amazon.com/general/latest/gr/rande.html
REGION_NAMES = {
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-central-1": "EU (Frankfurt)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
}


def state_reason(alarm: Any, verdict: Verdict, times: list[datetime]) -> str:
    """Return the sentence CloudWatch gives for a new state.

    :param times: the times of `verdict.evaluated`, in the same order.
    """
    periods = int(alarm.evaluation_periods)
    if verdict.state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_counted(periods, 'datapoint')} {_was(periods)} unknown."
    alarming = verdict.state == "ALARM"
    if not verdict.evaluated:
        treated = "Breaching" if alarming else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {_counted(periods, 'period')} and "
            f"{_counted(periods, 'missing datapoint')} {_was(periods)} treated as [{treated}]."
        )
    crossing = [
        f"{value} ({moment:%d/%m/%y %H:%M:%S})"
        for value, moment in zip(verdict.evaluated, times, strict=True)
        if _breaches(alarm, value) == alarming
    ]
    needed = int(alarm.datapoints_to_alarm or periods)
    minimum = needed if alarming else periods - needed + 1
    comparison = f"{'' if alarming else 'not '}{COMPARISONS[alarm.comparison_operator][1]}"
    change = "OK -> ALARM" if alarming else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(crossing)} out of the last {len(verdict.evaluated)} datapoints "
        f"[{', '.join(crossing)}] {_was(len(crossing))} {comparison} the threshold ({float(alarm.threshold)}) "
        f"(minimum {_counted(minimum, 'datapoint')} for {change} transition)."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _breaches(alarm: Any, value: float) -> bool:
    return COMPARISONS[alarm.comparison_operator][0](value, float(alarm.threshold))


def state_reason_data(alarm: Any, verdict: Verdict, times: list[datetime], now: datetime) -> str:
    """Return the same as data, in the form of StateReasonData."""
    data: dict[str, Any] = {
        "version": "1.0",
        "queryDate": aws_time(now),
        "statistic": alarm.statistic or alarm.extended_statistic,
        "period": alarm.period,
        "recentDatapoints": list(reversed(verdict.evaluated)),
        "threshold": float(alarm.threshold),
        "evaluatedDatapoints": [
            {"timestamp": aws_time(moment), "value": value}
            for value, moment in zip(verdict.evaluated, times, strict=True)
        ],
    }
    if times:
        data["startDate"] = aws_time(min(times))
    return json.dumps(data)


def sns_subject(alarm: Any, state: str) -> str:
    """Return the subject of the notification (SNS allows 100 characters)."""
    return f'{state}: "{alarm.name}" in {region_name(alarm.region_name)}'[:100]


def sns_message(alarm: Any, old_state: str, account_id: str) -> str:
    """Return the JSON text CloudWatch publishes to SNS; the alarm already has its new state.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    return json.dumps(
        {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": account_id,
            "AlarmConfigurationUpdatedTimestamp": aws_time(alarm.configuration_updated_timestamp),
            "NewStateValue": alarm.state_value,
            "NewStateReason": alarm.state_reason,
            "StateChangeTime": aws_time(alarm.state_updated_timestamp),
            "Region": region_name(alarm.region_name),
            "AlarmArn": alarm.alarm_arn,
            "OldStateValue": old_state,
            "OKActions": list(alarm.ok_actions),
            "AlarmActions": list(alarm.alarm_actions),
            "InsufficientDataActions": list(alarm.insufficient_data_actions),
            "Trigger": _trigger(alarm),
        }
    )


def _trigger(alarm: Any) -> dict[str, Any]:
    statistic: dict[str, Any] = (
        {"StatisticType": "Statistic", "Statistic": _shouted(alarm.statistic)}
        if alarm.statistic
        else {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": alarm.extended_statistic}
    )
    trigger = {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        **statistic,
        "Unit": alarm.unit,
        "Dimensions": [{"value": pair.value, "name": pair.name} for pair in alarm.dimensions],
        "Period": alarm.period,
        "EvaluationPeriods": alarm.evaluation_periods,
    }
    if alarm.datapoints_to_alarm:
        trigger["DatapointsToAlarm"] = alarm.datapoints_to_alarm
    return trigger | {
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }


def eventbridge_detail(alarm: Any, old_state: str, old_reason: str) -> dict[str, Any]:
    """Return the `detail` of the event "CloudWatch Alarm State Change".

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    return {
        "alarmName": alarm.name,
        "state": {
            "value": alarm.state_value,
            "reason": alarm.state_reason,
            "reasonData": alarm.state_reason_data,
            "timestamp": aws_time(alarm.state_updated_timestamp),
        },
        "previousState": {"value": old_state, "reason": old_reason},
        "configuration": {
            "description": alarm.description,
            "metrics": [
                {
                    "id": "m1",
                    "metricStat": {
                        "metric": {
                            "namespace": alarm.namespace,
                            "name": alarm.metric_name,
                            "dimensions": {pair.name: pair.value for pair in alarm.dimensions},
                        },
                        "period": alarm.period,
                        "stat": alarm.statistic or alarm.extended_statistic,
                    },
                    "returnData": True,
                }
            ],
        },
    }


def region_name(region: str) -> str:
    """Return the long name of a region, or the code of one we do not know."""
    return REGION_NAMES.get(region, region)


def aws_time(moment: datetime) -> str:
    """Return a time as these messages write it: `2026-01-21T16:55:46.266+0000`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _shouted(statistic: str) -> str:
    """Return `SampleCount` as `SAMPLE_COUNT`: the messages use another spelling than the API."""
    return "SAMPLE_COUNT" if statistic == "SampleCount" else statistic.upper()
