"""An endpoint that answers metrics as a test wants them: the faults are made where they were made in life.

A policy reads it with ``source: http_json``, one request a target, so one target's trouble is not another's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

CONNECTION = "metrics_endpoint"
Points = list[tuple[int, Any]]
"""Times in seconds since 1970, and what is said to be the value then."""
Reply = Points | tuple[int, Any]
"""Points; or a status and a body of the endpoint's own."""
Script = Callable[[range], Reply]
"""What the endpoint answers when it is asked for the points of some seconds."""


class Endpoint:
    """Answers ``/metric/target``; a target without a script of its own gets the metric's usual one."""

    def __init__(self) -> None:
        self.usual: dict[str, Script] = {}
        self.own: dict[tuple[str, str], Script] = {}
        self.asked: list[range] = []
        """The seconds it was asked for, once a request."""

    def answer(self, url: str) -> tuple[int, Any]:
        parts = urlsplit(url)
        metric, target = unquote(parts.path).strip("/").split("/")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        seconds = range(int(query["from"]), int(query["to"]))
        self.asked.append(seconds)
        reply = (self.own.get((metric, target)) or self.usual[metric])(seconds)
        if isinstance(reply, tuple):
            return reply
        return 200, {"points": [{"at": at, "value": value} for at, value in reply]}

    @staticmethod
    def metric(name: str, **keys: Any) -> dict[str, Any]:
        """A metric of a policy that is read here: a point a second, the newest 5 s not settled yet."""
        return {
            "source": "http_json",
            "connection": CONNECTION,
            "path": name + "/{target}",
            "params": {"from": "{start_s}", "to": "{end_s}"},
            "points": "$.points",
            "timestamp": "$.at",
            "value": "$.value",
            "time_unit": "s",
            "unit": "percent",
            "period": "1s",
            "window": "20s",
            "settle": "5s",
            **keys,
        }


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """The endpoint, on a port of its own, and the Airflow connection that leads to it."""
    yield from _served(monkeypatch)


@pytest.fixture(scope="module")
def endpoint_of_many() -> Iterator[Endpoint]:
    """An endpoint for all tests of a file."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield from _served(monkeypatch)


def _served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            status, answer = endpoint.answer(self.path)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps({"conn_type": "http", "host": host}))
    yield endpoint
    server.shutdown()
    server.server_close()
    thread.join(timeout=30)
