"""``cloudwatch.alarm``: a CloudWatch alarm changed state.

Two shapes of the same fact are read: the JSON an alarm publishes to SNS
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html) and EventBridge's
``CloudWatch Alarm State Change``
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html); of metric alarms,
metric-math alarms and composite alarms. One state change has one identity, whichever way it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, problems
from setpoint.model import Event, UtcDatetime, digest
from setpoint.model.base import Name

KIND = "cloudwatch.alarm"
TARGET_DIMENSIONS = ("AutoScalingGroupName",)
"""The metric dimensions whose value is a target's name."""

_DETAIL_TYPE = "CloudWatch Alarm State Change"
_MAX_DIMENSIONS = 30  # the most one CloudWatch metric can have
_MAX_METRICS = 10  # the most one metric-math alarm can have
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


class _Loose(BaseModel):
    """A vendor's object: what we read is checked, what we do not read may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _no_null(value: Any) -> Any:
    return () if value is None else value


class _Dimension(_Loose):
    name: str = Field(validation_alias=AliasChoices("name", "Name"))
    value: str = Field(validation_alias=AliasChoices("value", "Value"))


class _Metric(_Loose):
    MetricName: str | None = None
    Namespace: str | None = None
    Dimensions: Annotated[tuple[_Dimension, ...], BeforeValidator(_no_null)] = ()


class _MetricStat(_Loose):
    Metric: _Metric


class _Query(_Loose):
    MetricStat: _MetricStat | None = None


class _Trigger(_Metric):
    Metrics: Annotated[tuple[_Query, ...], BeforeValidator(_no_null)] = ()


class _Published(_Loose):
    """An alarm as it publishes itself to SNS. A composite alarm has no ``Trigger``."""

    AlarmName: Name
    NewStateValue: AlarmState
    OldStateValue: str = ""
    NewStateReason: str = ""
    StateChangeTime: UtcDatetime
    AlarmArn: str = ""
    AWSAccountId: str = ""
    Region: str = ""
    Trigger: _Trigger | None = None

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
        )


class _BridgeMetric(_Loose):
    name: str = ""
    namespace: str = ""
    dimensions: Annotated[dict[str, str], BeforeValidator(lambda value: {} if value is None else value)] = {}


class _BridgeStat(_Loose):
    metric: _BridgeMetric


class _BridgeQuery(_Loose):
    metricStat: _BridgeStat | None = None


class _BridgeConfiguration(_Loose):
    metrics: Annotated[tuple[_BridgeQuery, ...], BeforeValidator(_no_null)] = ()


class _BridgeState(_Loose):
    value: AlarmState
    reason: str = ""
    timestamp: UtcDatetime


class _BridgePrevious(_Loose):
    value: str = ""


class _BridgeDetail(_Loose):
    alarmName: Name
    state: _BridgeState
    previousState: _BridgePrevious = _BridgePrevious()
    configuration: _BridgeConfiguration = _BridgeConfiguration()


class _Bridged(_Loose):
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
            dimensions=[pair for metric in metrics for pair in metric.dimensions.items()],
            received_at=received_at,
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
        try:
            return [shape.model_validate(body).event(received_at)]
        except ValidationError as error:
            raise EventError("invalid", f"this {KIND} cannot be read: {problems(error)}") from None

    @staticmethod
    def wanted(event: Event, config: CloudWatchAlarmConfig) -> bool:
        alarm, state = event.payload.get("alarm"), event.payload.get("state")
        return isinstance(alarm, str) and fnmatchcase(alarm, config.alarm) and state in config.states


def _is_bridged(body: Mapping[str, Any]) -> bool:
    return body.get("source") == "aws.cloudwatch" and body.get("detail-type") == _DETAIL_TYPE


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
        },
    )
