"""From a policy to its targets and sources, each with a client of the connection and region the policy names."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from setpoint import __version__
from setpoint.policy.schema import Policy
from setpoint.sources import SOURCES
from setpoint.sources.contract import Source, SourceError
from setpoint.targets import TARGETS
from setpoint.targets.contract import Target, TargetError, TargetReader

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 5
CHANGE_CONNECT_SECONDS = 3
CHANGE_READ_SECONDS = 10
"""What a client that can change something waits; the arithmetic of :mod:`setpoint.ledger.leases` counts on both."""
_READS = ("Describe", "Get", "List")


class ConnectionProblemError(Exception):
    """No client can be built with a connection. The message names it and says what to set."""


class MutationRefusedError(Exception):
    """A client for reading was asked to change something; the call was not sent."""


def client(service: str, connection: str, region: str | None, *, read_only: bool = False) -> Any:
    """A boto3 client with the credentials of an Airflow connection.

    A client for reading connects within 5 s, waits 20 s for an answer, and botocore's standard mode makes 5 attempts;
    the connection's own ``config_kwargs`` go before these. A client that can change something connects within 3 s,
    waits 10 s and sends each request once, whatever the connection says: a changing call is only repeated by whoever
    has read first, and must end before its lease does.

    :param region: ``None`` takes the connection's own.
    :param read_only: refuse, before it is sent, every operation that does not describe, get or list.
    :raises ConnectionProblemError: the connection does not exist, or has no credentials or no region.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.config import Config
    from botocore.exceptions import NoRegionError, ProfileNotFound

    hook = AwsBaseHook(aws_conn_id=connection, region_name=region, client_type=service)
    _check(hook, connection)
    ours = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra=f"setpoint/{__version__}",
    )
    wanted = ours.merge(hook.config)
    if not read_only:
        wanted = wanted.merge(
            Config(
                connect_timeout=CHANGE_CONNECT_SECONDS,
                read_timeout=CHANGE_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 1},
            )
        )
    try:
        # Not get_client_type: for its user agent it looks through the whole call stack and reads the source files in
        # it, which took half a task's time (0.4 s).
        session = hook.get_session(region_name=hook.region_name)
        session._session.register_component("data_loader", _service_models())
        built = session.client(
            service,
            endpoint_url=hook.conn_config.get_service_endpoint_url(service_name=service),
            config=wanted,
            verify=hook.verify,
        )
    except NoRegionError as error:
        raise ConnectionProblemError(
            f"no region is set for {service}: set region in the policy, or region_name in the extra of the Airflow "
            f"connection {connection!r}"
        ) from error
    except ProfileNotFound as error:
        raise ConnectionProblemError(f"the Airflow connection {connection!r}: {error}") from error
    if read_only:
        built.meta.events.register_first(f"before-call.{built.meta.service_model.service_id.hyphenize()}", _refuse)
    return built


@cache
def _service_models() -> Any:
    """botocore's descriptions of the services, read once in a process, or before it was forked (see ``config/``)."""
    from botocore.loaders import create_loader

    return create_loader()


def warm_up() -> None:
    """Build a client of each service and throw it away, so that forked tasks find everything read and imported."""
    import boto3

    for service in ("autoscaling", "cloudwatch"):
        session = boto3.session.Session("preload", "preload", region_name="eu-west-1")
        session._session.register_component("data_loader", _service_models())
        session.client(service)


def _check(hook: Any, connection: str) -> None:
    """Find out early, and in words, what would otherwise be ``Unable to locate credentials`` in the middle of a run."""
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        # The hook itself would go on with whatever credentials the machine has: not what the policy says.
        hook.get_connection(connection)
    except AirflowNotFoundException as error:
        raise ConnectionProblemError(
            f"the Airflow connection {connection!r} does not exist. Create it under Admin > Connections (type aws), or "
            f"set AIRFLOW_CONN_{connection.upper()}; an empty one, aws://, uses this machine's own role"
        ) from error
    found = hook.conn_config
    # A key, a role or a profile is looked up by its own means; only the default chain can end with nothing.
    if found.aws_access_key_id or found.role_arn or found.profile_name:
        return
    if hook.get_session(region_name=hook.region_name).get_credentials() is None:
        raise ConnectionProblemError(
            f"the Airflow connection {connection!r} has no credentials, and this machine has none of its own: set its "
            "login (access key id) and password (secret access key), or role_arn in its extra"
        )


def _refuse(model: Any, **_: Any) -> None:
    if not model.name.startswith(_READS):
        raise MutationRefusedError(f"{model.name} would change something; this client is for reading, nothing was sent")


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
    """The sources of a policy's metrics, by the name the metrics call them. Their clients can only read.

    A metric's own ``connection`` and ``region``, where its source has such keys, go before those of the targets.

    :raises SourceError: a connection does not do, or two metrics of one source name different ones.
    """
    return {name: _source(policy, name) for name in sorted({one.source for one in policy.metrics.values()})}


def _source(policy: Policy, name: str) -> Source:
    kind = SOURCES.load(name)
    if kind.service is None:
        return cast(Source, kind())
    wanted = {
        metric: (
            getattr(config, "connection", None) or policy.targets.connection,
            getattr(config, "region", None) or policy.targets.region,
        )
        for metric, config in policy.metrics.items()
        if config.source == name
    }
    if len(set(wanted.values())) > 1:
        different = "; ".join(f"{metric}: {where[0]} in {where[1] or 'its region'}" for metric, where in wanted.items())
        raise SourceError(
            f"policy {policy.name}: the metrics of one source are fetched through one connection and region; "
            f"{name} has {different}",
            retryable=False,
        )
    connection, region = next(iter(wanted.values()))
    try:
        return cast(Source, kind(client(kind.service, connection, region, read_only=True)))
    except ConnectionProblemError as error:
        raise SourceError(f"policy {policy.name}: {error}", retryable=False) from error
