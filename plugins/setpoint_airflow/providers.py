"""From a policy to its targets and sources, each with a client of the connection and region the policy names."""

from __future__ import annotations

from typing import Any, cast

from setpoint.policy.schema import Policy
from setpoint.sources import SOURCES
from setpoint.sources.contract import Source, SourceError
from setpoint.sources.origin import Origin, origin_of
from setpoint.targets import TARGETS
from setpoint.targets.contract import Target, TargetError, TargetReader
from setpoint_airflow.connections import CONNECTIONS
from setpoint_airflow.connections.aws import client
from setpoint_airflow.connections.contract import ConnectionProblemError


def reader_for(policy: Policy) -> TargetReader:
    """What reads a policy's targets. Neither it nor its client can change anything.

    :raises TargetError: the connection does not do.
    """
    kind = TARGETS.load(policy.targets.kind)
    return cast(TargetReader, _built(kind.Reader, kind.service, policy, read_only=True))


def target_for(policy: Policy) -> Target:
    """What reads and changes a policy's targets.

    :raises TargetError: the connection does not do.
    """
    kind = TARGETS.load(policy.targets.kind)
    return cast(Target, _built(kind, kind.service, policy, read_only=False))


def _built(kind: type[Any], service: str | None, policy: Policy, *, read_only: bool) -> Any:
    if service is None:
        return kind()
    try:
        return kind(client(service, policy.targets.connection, policy.targets.region, read_only=read_only))
    except ConnectionProblemError as error:
        raise TargetError(f"policy {policy.name}: {error}", code="connection", retryable=False) from error


def sources_for(policy: Policy) -> dict[str, Source]:
    """The sources of a policy's metrics, by origin (see :mod:`setpoint.sources.origin`). Their clients can only read.

    :raises SourceError: a connection does not do.
    """
    origins = {origin_of(config): name for name, config in reversed(policy.metrics.items())}
    return {str(origin): _source(policy, origin, metric) for origin, metric in sorted(origins.items(), key=str)}


def _source(policy: Policy, origin: Origin, metric: str) -> Source:
    kind = SOURCES.load(origin.source)
    if kind.connection_type is None:
        return cast(Source, kind())
    connection, region = origin.place(policy)
    try:
        built = CONNECTIONS.load(kind.connection_type).client(kind, connection, region)
    except ConnectionProblemError as error:
        text = f"policy {policy.name}, metrics.{metric} ({origin}): {error}"
        raise SourceError(text, retryable=False) from error
    return cast(Source, kind(built))
