"""Alarms are evaluated, and what they say arrives in a queue."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from setpoint.lab.clock import at

ALARM = {
    "AlarmName": "hot",
    "AlarmDescription": "too hot",
    "Namespace": "T",
    "MetricName": "m",
    "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "shop"}],
    "Statistic": "Average",
    "Period": 10,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 70.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def _queue(practice: Any) -> tuple[str, str]:
    """Create a topic with a queue; returns the topic's ARN and the queue's URL."""
    topic = practice.sns.create_topic(Name="alarms")["TopicArn"]
    url = practice.sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = practice.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    practice.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, url


def _messages(practice: Any, url: str) -> list[dict[str, Any]]:
    """Return the SNS envelopes that wait in a queue, and remove them."""
    found = practice.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        practice.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in found]


def _publish(practice: Any, value: float, seconds: float) -> None:
    """Publish a value every five seconds for a while."""
    for _ in range(int(seconds // 5)):
        practice.cloudwatch.put_metric_data(
            Namespace="T",
            MetricData=[
                {
                    "MetricName": "m",
                    "Dimensions": ALARM["Dimensions"],
                    "Timestamp": at(practice.clock.now()),
                    "Value": value,
                    "StorageResolution": 1,
                }
            ],
        )
        practice.wait(5)


def _state(practice: Any) -> dict[str, Any]:
    alarm: dict[str, Any] = practice.cloudwatch.describe_alarms(AlarmNames=["hot"])["MetricAlarms"][0]
    return alarm


def test_an_alarm_goes_through_its_states_and_tells_each_once(practice: Any) -> None:
    """Without data INSUFFICIENT_DATA, then OK, ALARM, OK; every change is one message to the actions of its state."""
    topic, url = _queue(practice)
    practice.cloudwatch.put_metric_alarm(
        **ALARM, AlarmActions=[topic], OKActions=[topic], InsufficientDataActions=[topic]
    )
    practice.wait(30)
    assert _state(practice)["StateValue"] == "INSUFFICIENT_DATA"
    assert _messages(practice, url) == []
    for value, state in ((50.0, "OK"), (90.0, "ALARM"), (50.0, "OK")):
        _publish(practice, value, 60)
        assert _state(practice)["StateValue"] == state
        assert [json.loads(one["Message"])["NewStateValue"] for one in _messages(practice, url)] == [state]
    practice.wait(120)
    assert _state(practice)["StateValue"] == "INSUFFICIENT_DATA"
    reason = json.loads(_messages(practice, url)[0]["Message"])["NewStateReason"]
    assert reason == "Insufficient Data: 3 datapoints were unknown."


def test_the_message_is_the_documented_json_in_an_sns_envelope(practice: Any) -> None:
    """The queue holds an SNS notification whose Message is CloudWatch's alarm JSON, complete."""
    topic, url = _queue(practice)
    practice.cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[topic])
    _publish(practice, 90.0, 40)
    (envelope,) = _messages(practice, url)
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", topic)
    assert envelope["Subject"] == 'ALARM: "hot" in EU (Ireland)'
    message = json.loads(envelope["Message"])
    assert message["AlarmArn"] == "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:hot"
    assert message["AWSAccountId"] == "123456789012"
    assert (message["OldStateValue"], message["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert message["AlarmActions"] == [topic]
    assert message["OKActions"] == message["InsufficientDataActions"] == []
    assert message["StateChangeTime"].endswith("+0000")
    assert (
        "was greater than the threshold (70.0) (minimum 2 datapoints for OK -> ALARM transition)."
        in (message["NewStateReason"])
    )
    assert message["Trigger"] == {
        "MetricName": "m",
        "Namespace": "T",
        "StatisticType": "Statistic",
        "Statistic": "AVERAGE",
        "Unit": None,
        "Dimensions": [{"value": "shop", "name": "AutoScalingGroupName"}],
        "Period": 10,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 70.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    }


def test_an_alarm_on_a_percentile_is_evaluated(practice: Any) -> None:
    """ExtendedStatistic decides like a statistic, and the message names it."""
    topic, url = _queue(practice)
    percentile = {key: value for key, value in ALARM.items() if key != "Statistic"} | {"ExtendedStatistic": "p95"}
    practice.cloudwatch.put_metric_alarm(**percentile, AlarmActions=[topic])
    _publish(practice, 90.0, 40)
    trigger = json.loads(_messages(practice, url)[0]["Message"])["Trigger"]
    assert (trigger["StatisticType"], trigger["ExtendedStatistic"]) == ("ExtendedStatistic", "p95")


def test_a_state_set_by_hand_notifies_and_is_evaluated_again(practice: Any) -> None:
    """SetAlarmState sends the message of its state, and the next evaluation puts it right."""
    topic, url = _queue(practice)
    practice.cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[topic])
    _publish(practice, 50.0, 40)
    practice.cloudwatch.set_alarm_state(AlarmName="hot", StateValue="ALARM", StateReason="a drill")
    (envelope,) = _messages(practice, url)
    message = json.loads(envelope["Message"])
    assert (message["OldStateValue"], message["NewStateReason"]) == ("OK", "a drill")
    _publish(practice, 50.0, 10)
    assert _state(practice)["StateValue"] == "OK"


def test_disabled_actions_are_not_taken(practice: Any) -> None:
    """With its actions disabled an alarm changes its state and says nothing."""
    topic, url = _queue(practice)
    practice.cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[topic], ActionsEnabled=False)
    _publish(practice, 90.0, 40)
    assert _state(practice)["StateValue"] == "ALARM"
    assert _messages(practice, url) == []


def test_an_update_keeps_the_state(practice: Any) -> None:
    """Putting an alarm again changes its conditions, not its state, and rings nothing."""
    topic, url = _queue(practice)
    practice.cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[topic])
    _publish(practice, 90.0, 40)
    assert len(_messages(practice, url)) == 1
    practice.cloudwatch.put_metric_alarm(**ALARM | {"Threshold": 80.0}, AlarmActions=[topic])
    assert (_state(practice)["StateValue"], _state(practice)["Threshold"]) == ("ALARM", 80.0)
    _publish(practice, 90.0, 10)
    assert _messages(practice, url) == []


def test_a_change_is_an_event_too(practice: Any, mocked_clients: dict[str, Any]) -> None:
    """A rule for "CloudWatch Alarm State Change" delivers the event to its queue."""
    import boto3

    url = practice.sqs.create_queue(QueueName="bus")["QueueUrl"]
    arn = practice.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events = boto3.client("events", region_name="eu-west-1", aws_access_key_id="lab", aws_secret_access_key="lab")
    pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
    events.put_rule(Name="alarms", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="alarms", Targets=[{"Id": "queue", "Arn": arn}])
    practice.cloudwatch.put_metric_alarm(**ALARM)
    _publish(practice, 90.0, 40)
    (event,) = _messages(practice, url)
    assert event["source"] == "aws.cloudwatch"
    assert event["detail"]["alarmName"] == "hot"
    assert event["detail"]["state"]["value"] == "ALARM"
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Period": 5}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"DatapointsToAlarm": 4}, "must be between 1 and EvaluationPeriods"),
        ({"TreatMissingData": "guess"}, "breaching, notBreaching, ignore, and missing"),
        ({"ExtendedStatistic": "p95"}, "Exactly one of Statistic and ExtendedStatistic"),
        ({"Period": 86_400, "EvaluationPeriods": 8}, "seven days"),
    ],
)
def test_an_alarm_that_aws_refuses_is_refused(practice: Any, change: dict[str, Any], message: str) -> None:
    """A wrong alarm is a ValidationError that names what is allowed, and no alarm is created."""
    with pytest.raises(ClientError) as error:
        practice.cloudwatch.put_metric_alarm(**ALARM | change)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert message in error.value.response["Error"]["Message"]
    assert practice.cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_a_missing_topic_does_not_stop_the_other_alarms(practice: Any) -> None:
    """An action that leads nowhere is noted, and the state changes all the same."""
    ghost = "arn:aws:sns:eu-west-1:123456789012:ghost"
    practice.cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[ghost])
    _publish(practice, 90.0, 40)
    assert _state(practice)["StateValue"] == "ALARM"
    assert (_state(practice)["StateUpdatedTimestamp"] - at(practice.clock.now())) < timedelta(seconds=1)
