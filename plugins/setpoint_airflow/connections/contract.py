"""The contract of a connection type, and how an Airflow connection is looked up."""

from __future__ import annotations

from typing import Any, Protocol


class ConnectionProblemError(Exception):
    """No client can be built with a connection. The message names it and says what to set."""


class ConnectionType(Protocol):
    """Builds clients that can only read.

    A client has a time limit on everything it does, and what a fetch opens with it the fetch closes.
    """

    @staticmethod
    def client(kind: type[Any], connection: str | None, region: str | None) -> Any:
        """The client a source takes.

        :param kind: the source's class; it may say more of what it needs (``service``, for ``aws``).
        :param connection: the Airflow connection's id; ``None`` where the metric names none.
        :param region: the region, for types that know regions.
        :raises ConnectionProblemError: the connection does not exist, or lacks something.
        """
        ...


def airflow_connection(name: str, *, kind: str, empty: str = "") -> Any:
    """An Airflow connection, from wherever Airflow looks for them.

    :param kind: the connection type to suggest when there is none.
    :param empty: what more to say then, such as what an empty connection means.
    :returns: Airflow's ``Connection``.
    :raises ConnectionProblemError: there is none of that name.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        more = f"; {empty}" if empty else ""
        raise ConnectionProblemError(
            f"the Airflow connection {name!r} does not exist. Create it under Admin > Connections (type {kind}), or "
            f"set AIRFLOW_CONN_{name.upper()}{more}"
        ) from error
