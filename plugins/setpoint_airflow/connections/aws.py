"""Connections of type ``aws``: boto3 clients with time limits, and for reading a client that can do nothing else."""

from __future__ import annotations

from functools import cache
from typing import Any

from setpoint import __version__
from setpoint_airflow.connections.contract import ConnectionProblemError, airflow_connection
from setpoint_airflow.connections.sessions import make_ready, session_of

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 5
CHANGE_CONNECT_SECONDS = 3
CHANGE_READ_SECONDS = 10
"""What a client that can change something waits; the arithmetic of :mod:`setpoint.ledger.leases` counts on both."""
_READS = ("Describe", "Get", "List")


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
        session = session_of(hook)
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
    make_ready()


def _check(hook: Any, connection: str) -> None:
    """Find out early, and in words, what would otherwise be ``Unable to locate credentials`` in the middle of a run."""
    # The hook itself would go on with whatever credentials the machine has: not what the policy says.
    airflow_connection(connection, kind="aws", empty="an empty one, aws://, uses this machine's own role")
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


class AwsConnection:
    """A boto3 client of the service that a source names, which refuses to change anything."""

    @staticmethod
    def client(kind: type[Any], connection: str | None, region: str | None) -> Any:
        """A client of ``kind.service``, with the credentials of the connection.

        :raises ConnectionProblemError: the connection does not exist, has no credentials or no region.
        """
        if connection is None:
            raise ConnectionProblemError("no Airflow connection is named: set connection in the metric")
        return client(kind.service, connection, region, read_only=True)
