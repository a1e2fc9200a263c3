"""``http``: a server's address, credentials and certificates from an Airflow connection, read as its HttpHook does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from setpoint.sources.http_session import HttpSession
from setpoint_airflow.connections.contract import ConnectionProblemError, airflow_connection

_OPTIONS = frozenset(
    {
        *("verify", "verify_ssl", "cert", "proxy", "proxies", "trust_env", "srv_lookup"),
        # Of no effect here: limits are Setpoint's own, and a redirect to another server is never followed.
        *("timeout", "stream", "allow_redirects", "max_redirects", "check_response"),
    }
)
"""Keys of the extra that are options of HttpHook; every other one is a header, as it is there."""


class HttpConnection:
    """Sessions with a base URL, credentials, and limits on everything."""

    @staticmethod
    def client(kind: type[Any], connection: str | None, region: str | None) -> HttpSession:
        """A session for reading from the server that a connection names.

        Login and password are sent as basic authentication; a password without a login as a bearer token.

        :raises ConnectionProblemError: the connection does not exist, or what it holds cannot be used.
        """
        if connection is None:
            raise ConnectionProblemError("no Airflow connection is named: set connection in the metric")
        found = airflow_connection(connection, kind="http")
        extra = found.extra_dejson
        headers = {key: value for key, value in extra.items() if key not in _OPTIONS}
        if wrong := sorted(key for key, value in headers.items() if not isinstance(value, str)):
            raise _unusable(connection, f"its extra has {', '.join(wrong)}, which would be headers; a header is a text")
        if not found.login and found.password:
            headers["Authorization"] = f"Bearer {found.password}"
        if any(character in f"{key}{value}" for key, value in headers.items() for character in "\r\n\0"):
            raise _unusable(connection, "its password or a header in its extra has a line break")
        return HttpSession(
            base_url=_base_url(connection, found),
            name=connection,
            login=(found.login, found.password or "") if found.login else None,
            headers=headers,
            verify=_verify(connection, extra),
            certificate=_certificate(connection, extra),
            proxy=_proxy(connection, extra),
            trust_env=bool(extra.get("trust_env", True)),
        )


def _base_url(name: str, connection: Any) -> str:
    host = connection.host or ""
    if "://" not in host:
        schema = connection.schema or ("https" if connection.conn_type == "https" else "http")
        host = f"{schema}://{host}"
    try:
        parts = urlsplit(host)
        port = parts.port or connection.port
    except ValueError as error:
        raise _unusable(name, f"its host {host!r} cannot be read: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _unusable(
            name, f"{host!r} is no address: set host to the whole URL, such as https://metrics.example:9090"
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise _unusable(
            name, "its host holds more than scheme, host, port and path; credentials go into login and password"
        )
    server = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{server}{f':{port}' if port else ''}{parts.path}"


def _verify(name: str, extra: Mapping[str, Any]) -> bool | str:
    verify = extra.get("verify", extra.get("verify_ssl", True))
    if not isinstance(verify, bool | str) or verify == "":
        raise _unusable(name, "verify in its extra is true, false, or the file of the authorities to trust")
    words = {"true": True, "false": False}  # a connection given as a URI has texts only
    return words.get(verify.lower(), verify) if isinstance(verify, str) else verify


def _certificate(name: str, extra: Mapping[str, Any]) -> tuple[str, ...]:
    cert = extra.get("cert") or []
    files = (cert,) if isinstance(cert, str) else tuple(cert) if isinstance(cert, list) else None
    if files is None or len(files) > 2 or not all(isinstance(one, str) for one in files):
        raise _unusable(name, "cert in its extra is a file, or a list of two: certificate and key")
    return files


def _proxy(name: str, extra: Mapping[str, Any]) -> str | None:
    if extra.get("srv_lookup") in (True, "true", "True"):
        raise _unusable(name, "srv_lookup is not supported here; set host to the server's own name")
    proxy = extra.get("proxies", extra.get("proxy"))
    if isinstance(proxy, dict):
        proxy = proxy.get("https", proxy.get("http"))
    if proxy is not None and not isinstance(proxy, str):
        raise _unusable(name, "proxy in its extra is the proxy's URL")
    return proxy or None


def _unusable(name: str, why: str) -> ConnectionProblemError:
    return ConnectionProblemError(f"the Airflow connection {name!r} (type http): {why}")
