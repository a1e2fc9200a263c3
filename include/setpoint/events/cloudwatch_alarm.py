"""``cloudwatch.alarm``: a CloudWatch alarm changed state.

Two shapes of the same fact are read: the JSON an alarm publishes to SNS
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html) and EventBridge's
``CloudWatch Alarm State Change``
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html); of metric alarms,
metric-math alarms and composite alarms
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Composite_Alarm.html). One state change has one
identity, whichever way it came, and it occurred when the state changed; an OK that overtakes
its ALARM is another event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, ValidationError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, problems
from setpoint.events.vendor import Loose, like, no_null, read_as
from setpoint.model import Event, UtcDatetime, digest
from setpoint.model.base import Name

KIND = "cloudwatch.alarm"
TARGET_DIMENSIONS = ("AutoScalingGroupName",)
"""The metric dimensions whose value is a target's name."""

_DETAIL_TYPE = "CloudWatch Alarm State Change"
_MAX_DIMENSIONS = 30  # the most one CloudWatch metric can have
_MAX_METRICS = 10  # the most one metric-math alarm can have
_MAX_CHILDREN = 10  # triggering children that are kept; a composite alarm may have 100
AlarmState = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]


class CloudWatchAlarmConfig(EventConfig):
    """``kind: cloudwatch.alarm``: which alarms, in which states."""

    kind: Literal["cloudwatch.alarm"]
    alarm: str = Field(
        default="*", min_length=1, max_length=255, description="the alarm's name, with * and ? as wildcards"
    )
    states: tuple[AlarmState, ...] = Field(
        default=("ALARM",), min_length=1, description="the states the alarm may have changed to"
    )
    suppressed: bool = Field(
        default=False,
        description="also a composite alarm's change whose actions are suppressed; EventBridge tells of those, SNS not",
    )


class _Dimension(Loose):
    name: str = Field(validation_alias=AliasChoices("name", "Name"))
    value: str = Field(validation_alias=AliasChoices("value", "Value"))


class _Metric(Loose):
    MetricName: str | None = None
    Namespace: str | None = None
    Dimensions: Annotated[tuple[_Dimension, ...], BeforeValidator(no_null)] = ()


class _MetricStat(Loose):
    Metric: _Metric


class _Query(Loose):
    MetricStat: _MetricStat | None = None


class _Trigger(_Metric):
    Metrics: Annotated[tuple[_Query, ...], BeforeValidator(no_null)] = ()


class _Child(Loose):
    Arn: str = ""


class _Published(Loose):
    """An alarm as it publishes itself to SNS. A composite alarm has a rule and children instead of a ``Trigger``."""

    AlarmName: Name
    NewStateValue: AlarmState
    OldStateValue: str = ""
    NewStateReason: str = ""
    StateChangeTime: UtcDatetime
    AlarmArn: str = ""
    AWSAccountId: str = ""
    Region: str = ""
    Trigger: _Trigger | None = None
    AlarmRule: str | None = None
    TriggeringChildren: Annotated[tuple[_Child, ...], BeforeValidator(no_null)] = ()

    def event(self, received_at: datetime) -> Event:
        metrics: list[_Metric] = []
        if self.Trigger is not None:
            metrics = [query.MetricStat.Metric for query in self.Trigger.Metrics if query.MetricStat]
            if self.Trigger.MetricName:
                metrics.insert(0, self.Trigger)
        return _event(
            alarm=self.AlarmName,
            # Alarms of before 2021 do not carry their ARN.
            arn=self.AlarmArn or f"{self.AWSAccountId}:{self.Region}:{self.AlarmName}",
            state=self.NewStateValue,
            previous=self.OldStateValue,
            reason=self.NewStateReason,
            changed_at=self.StateChangeTime,
            metrics=[f"{metric.Namespace}/{metric.MetricName}" for metric in metrics],
            dimensions=[(one.name, one.value) for metric in metrics for one in metric.Dimensions],
            received_at=received_at,
            composite=_composite(self.AlarmRule, [child.Arn for child in self.TriggeringChildren]),
        )


class _BridgeMetric(Loose):
    name: str = ""
    namespace: str = ""
    dimensions: dict[str, str] | None = None


class _BridgeStat(Loose):
    metric: _BridgeMetric


class _BridgeQuery(Loose):
    metricStat: _BridgeStat | None = None


class _BridgeConfiguration(Loose):
    metrics: Annotated[tuple[_BridgeQuery, ...], BeforeValidator(no_null)] = ()
    alarmRule: str | None = None


class _BridgeState(Loose):
    value: AlarmState
    reason: str = ""
    reasonData: str = ""
    timestamp: UtcDatetime
    actionsSuppressedBy: str | None = None

    def children(self) -> list[str]:
        """The ARNs of the alarms that changed a composite alarm's state; none when they are not told in the known form.

        ``reasonData`` is JSON in a text, whose form AWS gives by examples only: nothing but the payload depends on it.
        """
        try:
            told = _Reason.model_validate_json(self.reasonData or "{}")
        except ValidationError:
            return []
        return [alarm.arn for alarm in told.triggeringAlarms]


class _ReasonAlarm(Loose):
    arn: str = ""


class _Reason(Loose):
    triggeringAlarms: tuple[_ReasonAlarm, ...] = ()


class _BridgePrevious(Loose):
    value: str = ""


class _BridgeDetail(Loose):
    alarmName: Name
    state: _BridgeState
    previousState: _BridgePrevious = _BridgePrevious()
    configuration: _BridgeConfiguration = _BridgeConfiguration()


class _Bridged(Loose):
    """An alarm's state change as EventBridge carries it."""

    resources: tuple[str, ...] = Field(min_length=1)
    detail: _BridgeDetail

    def event(self, received_at: datetime) -> Event:
        metrics = [query.metricStat.metric for query in self.detail.configuration.metrics if query.metricStat]
        return _event(
            alarm=self.detail.alarmName,
            arn=self.resources[0],
            state=self.detail.state.value,
            previous=self.detail.previousState.value,
            reason=self.detail.state.reason,
            changed_at=self.detail.state.timestamp,
            metrics=[f"{metric.namespace}/{metric.name}" for metric in metrics],
            dimensions=[pair for metric in metrics for pair in (metric.dimensions or {}).items()],
            received_at=received_at,
            composite=_composite(
                self.detail.configuration.alarmRule,
                self.detail.state.children(),
                self.detail.state.actionsSuppressedBy,
            ),
        )


class CloudWatchAlarm:
    """A CloudWatch alarm's state change. Its targets are the Auto Scaling groups among its metrics' dimensions."""

    Config: ClassVar[type[CloudWatchAlarmConfig]] = CloudWatchAlarmConfig
    looks_like: ClassVar[str] = "an object with AlarmName and NewStateValue, or EventBridge's alarm state change"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return ("AlarmName" in body and "NewStateValue" in body) or _is_bridged(body)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        shape: type[_Bridged | _Published] = _Bridged if _is_bridged(body) else _Published
        read = read_as(shape, body, kind=KIND)
        try:
            return [read.event(received_at)]
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} cannot be read: {problems(error)}") from None

    @staticmethod
    def wanted(event: Event, config: CloudWatchAlarmConfig) -> bool:
        return (
            like(event.payload.get("alarm"), config.alarm)
            and event.payload.get("state") in config.states
            and (config.suppressed or "suppressed_by" not in event.payload)
        )


def _is_bridged(body: Mapping[str, Any]) -> bool:
    return body.get("source") == "aws.cloudwatch" and body.get("detail-type") == _DETAIL_TYPE


def _composite(rule: str | None, children: Iterable[str], suppressed_by: str | None = None) -> dict[str, JsonValue]:
    """What a composite alarm has to tell; nothing of a metric alarm."""
    if rule is None:
        return {}
    told: dict[str, JsonValue] = {
        "rule": one_line(rule),
        "triggering_alarms": [one_line(arn, 500) for arn in list(children)[:_MAX_CHILDREN] if arn],
    }
    return told | ({"suppressed_by": one_line(suppressed_by, 50)} if suppressed_by else {})


def _event(
    *,
    alarm: str,
    arn: str,
    state: AlarmState,
    previous: str,
    reason: str,
    changed_at: datetime,
    metrics: Iterable[str],
    dimensions: Iterable[tuple[str, str]],
    received_at: datetime,
    composite: dict[str, JsonValue],
) -> Event:
    kept = list(dict.fromkeys(dimensions))
    named: list[JsonValue] = [f"{name}={value}" for name, value in kept[:_MAX_DIMENSIONS]]
    measured: list[JsonValue] = [*list(dict.fromkeys(metrics))[:_MAX_METRICS]]
    return Event(
        event_id=f"alarm:{digest(arn, changed_at.isoformat(), state)}",
        kind=KIND,
        source=arn,
        targets=tuple(dict.fromkeys(value for name, value in kept if name in TARGET_DIMENSIONS)),
        occurred_at=changed_at,
        received_at=received_at,
        summary=one_line(f"{alarm} is {state}: {reason}" if reason else f"{alarm} is {state}"),
        payload={
            "alarm": alarm,
            "state": state,
            "previous_state": one_line(previous, 50),
            "reason": one_line(reason),
            "metrics": measured,
            "dimensions": named,
            **composite,
        },
    )
