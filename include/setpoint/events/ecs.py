"""``aws.ecs``: an ECS service acted or could not, a deployment of one moved, or a task changed state.

Formats: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html. ECS may send a task's change more than
once; the version in it tells that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from setpoint.events.bridge import Bridged, event_of, is_bridged
from setpoint.events.contract import EventConfig
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import Loose, Pattern, Text, like, no_null, read_as
from setpoint.model import Event, digest

KIND = "aws.ecs"
About = Literal["service", "deployment", "task"]
Level = Literal["INFO", "WARN", "ERROR"]
StopCode = Literal[
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
]
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html"""

_ABOUT: Mapping[str, About] = {
    "ECS Service Action": "service",
    "ECS Deployment State Change": "deployment",
    "ECS Task State Change": "task",
}
_KEPT_EXIT_CODES = 10


class EcsConfig(EventConfig):
    """``kind: aws.ecs``: which services, and what happened to them."""

    kind: Literal["aws.ecs"]
    cluster: Pattern = Field(default="*", description="the cluster's name, with * and ? as wildcards")
    service: Pattern = Field(
        default="*", description="the service's name, with * and ? as wildcards; a task of no service has an empty one"
    )
    about: tuple[About, ...] = Field(
        default=("service", "deployment"), min_length=1, description="what the event is about"
    )
    levels: tuple[Level, ...] = Field(
        default=("WARN", "ERROR"), min_length=1, description="of service and deployment: how bad ECS says it is"
    )
    event: Pattern = Field(
        default="*", description="of service and deployment: ECS's name for it: SERVICE_TASK_PLACEMENT_FAILURE"
    )
    task_statuses: tuple[Annotated[str, Field(min_length=1, max_length=50)], ...] = Field(
        default=("STOPPED",), min_length=1, max_length=20, description="of task: the status it changed to"
    )
    stop_codes: tuple[StopCode, ...] = Field(
        default=(), description="of a stopped task: why it stopped; any reason, when left out"
    )


class _Container(Loose):
    exitCode: int | None = None


class _Detail(Loose):
    eventType: Text = ""
    eventName: Text = ""
    clusterArn: Text = ""
    reason: Text = ""
    deploymentId: Text = ""
    taskArn: Text = ""
    group: Text = ""
    lastStatus: Text = ""
    desiredStatus: Text = ""
    stopCode: Text = ""
    stoppedReason: Text = ""
    version: int | None = None
    containers: Annotated[tuple[_Container, ...], BeforeValidator(no_null)] = ()


class _ServiceDetail(_Detail):
    eventType: str = Field(min_length=1, max_length=100)
    eventName: str = Field(min_length=1, max_length=200)


class _TaskDetail(_Detail):
    taskArn: str = Field(min_length=1, max_length=1000)
    lastStatus: str = Field(min_length=1, max_length=100)
    version: int


_Envelope = Bridged[_TaskDetail] | Bridged[_ServiceDetail]


class EcsEvent:
    """What ECS says of a service. Its target is the service, as ``cluster/service``; a task of no service has none."""

    Config: ClassVar[type[EcsConfig]] = EcsConfig
    targets_of: ClassVar[str] = "aws.ecs_service"
    looks_like: ClassVar[str] = "EventBridge's aws.ecs event of a service, a deployment or a task"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return is_bridged(body, "aws.ecs", _ABOUT)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        envelope: _Envelope
        if is_task := _ABOUT[body["detail-type"]] == "task":
            envelope = read_as(Bridged[_TaskDetail], body, kind=KIND)
        else:
            envelope = read_as(Bridged[_ServiceDetail], body, kind=KIND)
        cluster, service = _cluster_and_service(envelope)
        return [
            event_of(
                envelope,
                kind=KIND,
                received_at=received_at,
                event_id=f"{KIND}:{digest(envelope.detail.taskArn, envelope.detail.version)}" if is_task else None,
                targets=[f"{cluster}/{service}"] if cluster and service else [],
                summary=_summary(envelope.detail, cluster, service),
                payload=_payload(envelope, cluster, service),
            )
        ]

    @staticmethod
    def wanted(event: Event, config: EcsConfig) -> bool:
        told = event.payload
        if not (
            told.get("about") in config.about
            and like(told.get("cluster"), config.cluster)
            and like(told.get("service"), config.service)
        ):
            return False
        if told.get("about") == "task":
            return told.get("status") in config.task_statuses and (
                not config.stop_codes or told.get("stop_code") in config.stop_codes
            )
        return told.get("level") in config.levels and like(told.get("event"), config.event)


def _cluster_and_service(envelope: _Envelope) -> tuple[str, str]:
    """The names, from ARNs in the form with the cluster or in the form of before 2018; empty where none is told.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids
    """
    detail = envelope.detail
    cluster = detail.clusterArn.rpartition("/")[2]
    if detail.group.startswith("service:"):
        return cluster, detail.group.removeprefix("service:")
    for resource in envelope.resources:
        kind, _, path = resource.rpartition(":")[2].partition("/")
        if kind == "service" and path:
            home, _, service = path.rpartition("/")
            return cluster or home, service
    return cluster, ""


def _summary(detail: _Detail, cluster: str, service: str) -> str:
    whose = f"ECS {cluster}/{service}" if service else f"ECS {cluster}"
    if detail.taskArn:
        why = ": ".join(part for part in (detail.stopCode, detail.stoppedReason) if part)
        return f"{whose}: task {detail.taskArn.rpartition('/')[2]} is {detail.lastStatus}" + (f": {why}" if why else "")
    return f"{whose}: {detail.eventName}" + (f": {detail.reason}" if detail.reason else "")


def _payload(envelope: _Envelope, cluster: str, service: str) -> dict[str, JsonValue]:
    detail = envelope.detail
    about = _ABOUT[envelope.detail_type]
    named: dict[str, JsonValue] = {
        "about": about,
        "cluster": one_line(cluster, 255),
        "service": one_line(service, 255),
    }
    if about == "task":
        codes: list[JsonValue] = [one.exitCode for one in detail.containers if one.exitCode is not None]
        return named | {
            "task": one_line(detail.taskArn),
            "status": detail.lastStatus,
            "desired_status": one_line(detail.desiredStatus, 100),
            "stop_code": one_line(detail.stopCode, 100),
            "stopped_reason": one_line(detail.stoppedReason),
            "exit_codes": codes[:_KEPT_EXIT_CODES],
        }
    return named | {
        "level": detail.eventType,
        "event": detail.eventName,
        "reason": one_line(detail.reason),
        "deployment": one_line(detail.deploymentId, 200),
    }
