"""From an Airflow connection to a session with an HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from setpoint.policy.schema import Policy
from setpoint.sources.contract import SourceError
from setpoint.sources.http_messages import HttpRequest
from setpoint.sources.http_session import HttpSession
from setpoint.sources.prometheus import PrometheusSource
from setpoint_airflow.connections.contract import ConnectionProblemError
from setpoint_airflow.connections.http import HttpConnection
from setpoint_airflow.providers import sources_for


def session_of(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> HttpSession:
    monkeypatch.setenv("AIRFLOW_CONN_METRICS", json.dumps({"conn_type": "http", **fields}))
    return HttpConnection.client(PrometheusSource, "metrics", None)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "prometheus"}, "http://prometheus"),
        ({"host": "prometheus", "port": 9090}, "http://prometheus:9090"),
        ({"host": "prometheus", "port": 9090, "schema": "https"}, "https://prometheus:9090"),
        ({"host": "prometheus", "conn_type": "https"}, "https://prometheus"),
        ({"host": "https://m.example/prometheus"}, "https://m.example/prometheus"),
        ({"host": "https://m.example/prometheus", "port": 8443}, "https://m.example:8443/prometheus"),
        ({"host": "https://m.example:1/x", "port": 2}, "https://m.example:1/x"),
        ({"host": "http://[::1]:9090/x"}, "http://[::1]:9090/x"),
    ],
)
def test_the_address(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], url: str) -> None:
    """Host, port and schema make the base URL as in Airflow's HttpHook; a path in host stays."""
    assert session_of(monkeypatch, **fields).base_url == url


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "set host to the whole URL"),
        ({"host": "m.example", "schema": "metrics"}, "set host to the whole URL"),
        ({"host": "ftp://m.example"}, "set host to the whole URL"),
        ({"host": "http://me:secret@m.example"}, "credentials go into login and password"),
        ({"host": "http://m.example/?a=b"}, "more than scheme, host, port and path"),
        ({"host": "http://m.example:port"}, "cannot be read"),
        ({"host": "m", "password": "a\r\nX-Evil: 1"}, "has a line break"),
        ({"host": "m", "extra": {"X-Scope": 7}}, "its extra has X-Scope, which would be headers"),
        ({"host": "m", "extra": {"X-Scope": "a\nb"}}, "has a line break"),
        ({"host": "m", "extra": {"verify": 1}}, "verify in its extra"),
        ({"host": "m", "extra": {"cert": ["a", "b", "c"]}}, "cert in its extra"),
        ({"host": "m", "extra": {"proxy": 1}}, "proxy in its extra"),
        ({"host": "m", "extra": {"srv_lookup": True}}, "srv_lookup is not supported"),
    ],
)
def test_what_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], said: str) -> None:
    """The message names the connection and says what to set; it repeats no password."""
    with pytest.raises(ConnectionProblemError, match=r"'metrics' \(type http\)") as raised:
        session_of(monkeypatch, **fields)
    assert said in str(raised.value)
    assert "X-Evil" not in str(raised.value)


def test_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Login and password are basic authentication, a password alone a bearer token, the extra's other keys headers."""
    basic = session_of(monkeypatch, host="m", login="me", password="secret")
    assert (basic.login, dict(basic.headers)) == (("me", "secret"), {})
    bearer = session_of(monkeypatch, host="m", password="token", extra={"X-Scope-OrgID": "one", "timeout": 3})
    assert (bearer.login, dict(bearer.headers)) == (None, {"X-Scope-OrgID": "one", "Authorization": "Bearer token"})


def test_certificates_and_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As HttpHook names them; the server's certificate is checked unless that is said."""
    plain = session_of(monkeypatch, host="m")
    assert (plain.verify, plain.certificate, plain.proxy, plain.trust_env) == (True, (), None, True)
    extra = {
        "verify": "/ca.pem",
        "cert": ["/c.pem", "/k.pem"],
        "proxies": {"https": "http://p:3128"},
        "trust_env": False,
    }
    own = session_of(monkeypatch, host="m", extra=extra)
    assert (own.verify, own.certificate) == ("/ca.pem", ("/c.pem", "/k.pem"))
    assert (own.proxy, own.trust_env) == ("http://p:3128", False)
    assert session_of(monkeypatch, host="m", extra={"verify_ssl": False}).verify is False
    assert session_of(monkeypatch, host="m", extra={"verify": "false"}).verify is False


@pytest.fixture
def authorized() -> Iterator[tuple[str, list[str]]]:
    """A server that keeps the Authorization headers it is sent; its host and port."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("fields", "header"),
    [({"login": "me", "password": "pw"}, "Basic bWU6cHc="), ({"password": "token"}, "Bearer token"), ({}, "")],
)
def test_what_the_server_is_sent(
    monkeypatch: pytest.MonkeyPatch, authorized: tuple[str, list[str]], fields: dict[str, Any], header: str
) -> None:
    """The credentials of the connection arrive as HTTP has them."""
    address, seen = authorized
    session = session_of(monkeypatch, host=f"http://{address}", extra={"trust_env": False}, **fields)
    session.gather([lambda http: http.send(HttpRequest("x", "the test"))])
    assert seen == [header]


def policy(**metric: Any) -> Policy:
    read = {
        "source": "prometheus", "label": "group", "period": "1m", "window": "5m",
        "query": "avg by (group) (avg_over_time(load[$period]))", **metric,
    }  # fmt: skip
    return Policy.model_validate(
        {
            "version": 1,
            "name": "web-tier",
            "owner": "platform",
            "targets": {"kind": "aws.autoscaling_group", "names": ["web"]},
            "metrics": {"load": read, "again": {**read, "connection": "metrics_us"}},
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "load"},
                "out": {"above": 70, "for": "3 of 5", "add": 1},
            },
            "limits": {"min": 1, "max": 6},
            "feedback": {"after": "1m", "healthy": {"load": {"max": 90}}},
        }
    )


def test_a_policys_sources_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """One source for each connection its metrics name."""
    for name in ("METRICS_EU", "METRICS_US"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "http", "host": "m.example"}))
    built = sources_for(policy(connection="metrics_eu"))
    assert {name: type(one) for name, one in built.items()} == {
        "prometheus via metrics_eu": PrometheusSource,
        "prometheus via metrics_us": PrometheusSource,
    }


def test_a_connection_that_is_not_there_is_told_with_its_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which policy, which metric, which connection, and how to make one."""
    monkeypatch.setenv("AIRFLOW_CONN_METRICS_US", json.dumps({"conn_type": "http", "host": "m.example"}))
    with pytest.raises(
        SourceError, match=r"web-tier, metrics\.load.*'metrics_eu' does not exist.*AIRFLOW_CONN_METRICS_EU"
    ):
        sources_for(policy(connection="metrics_eu"))
