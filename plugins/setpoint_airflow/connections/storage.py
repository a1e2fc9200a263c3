"""``storage``: object storage through Airflow's ``ObjectStoragePath``, with the connection a metric names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from setpoint_airflow.connections.contract import airflow_connection

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 3
_S3 = ("s3", "s3a", "s3n")


class StorageConnection:
    """Paths of object storage."""

    @staticmethod
    def client(kind: type[Any], connection: str | None, region: str | None) -> Callable[[str], Any]:
        """What makes an ``ObjectStoragePath`` of a URL; only the storage's own reading calls are made with it.

        :raises ConnectionProblemError: the connection does not exist.
        """
        if connection is not None:
            airflow_connection(connection, kind="of the storage: aws, google_cloud_platform, wasb")

        def path(url: str) -> Any:
            """:raises ValueError: no installed provider knows this kind of storage.
            :raises ImportError: the provider lacks a package."""
            from airflow.sdk import ObjectStoragePath
            from airflow.sdk.io import attach, get_fs, has_fs

            scheme = urlsplit(url).scheme
            if not has_fs(scheme):
                raise ValueError(f"no installed Airflow provider reads {scheme}://; install the provider that does")
            if scheme in _S3:
                # s3fs takes boto's settings only when it is made; attach keeps it for the life of the process.
                attach(scheme, connection, fs=get_fs(scheme, connection, dict(_LIMITS)))
            return ObjectStoragePath(url, conn_id=connection)

        return path


_LIMITS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
}
