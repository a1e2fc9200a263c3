"""A CloudWatch on the loopback: answers GetMetricData as documented (AWS JSON 1.0), with what each test wants said."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

if (_HERE := str(Path(__file__).resolve().parent)) not in sys.path:
    sys.path.insert(0, _HERE)  # for worlds/

Answer = tuple[int, dict[str, Any]]


@dataclass
class FakeCloudWatch:
    """Answers each request by ``answer(number, request)``; numbers count from 0. Requests are kept."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[int, dict[str, Any]], Answer] = lambda number, request: complete(request)
    lock: Any = field(default_factory=threading.Lock)

    def client(self, access_key: str | None = "test", **config: Any) -> Any:
        """A real boto3 client of this server that tries each call twice at most."""
        import boto3
        from botocore.config import Config

        settings = {"connect_timeout": 2, "read_timeout": 2, "retries": {"mode": "standard", "total_max_attempts": 2}}
        return boto3.client(
            "cloudwatch",
            region_name="eu-west-1",
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key=access_key,
            config=Config(**{**settings, **config}),
        )


def result(query: dict[str, Any], points: dict[float, float], **fields: Any) -> dict[str, Any]:
    """One MetricDataResult with points by epoch second."""
    return {
        "Id": query["Id"],
        "Label": "any label",
        "Timestamps": list(points),
        "Values": list(points.values()),
        "StatusCode": "Complete",
        **fields,
    }


def complete(request: dict[str, Any], value: float = 50.0) -> Answer:
    """Every period of every query has a point."""
    return 200, {
        "MetricDataResults": [result(query, every_period(request, query, value)) for query in _queries(request)]
    }


def every_period(request: dict[str, Any], query: dict[str, Any], value: float) -> dict[float, float]:
    """A point at the start of every period of the request's window."""
    start, end, period = int(request["StartTime"]), int(request["EndTime"]), query["MetricStat"]["Period"]
    return dict.fromkeys(range(start, end, period), value)


def refused(code: str, message: str = "no", status: int = 400) -> Answer:
    """An error as the JSON protocol writes it."""
    return status, {"__type": f"com.amazonaws.cloudwatch#{code}", "message": message}


def _queries(request: dict[str, Any]) -> list[dict[str, Any]]:
    queries: list[dict[str, Any]] = request["MetricDataQueries"]
    return queries


@pytest.fixture
def cloudwatch() -> Iterator[FakeCloudWatch]:
    """A server that answers every query completely until told otherwise."""
    fake = FakeCloudWatch()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["X-Amz-Target"] == "GraniteServiceVersion20100801.GetMetricData"
            request = json.loads(body)
            with fake.lock:
                number = len(fake.requests)
                fake.requests.append(request)
            status, answer = fake.answer(number, request)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # clients that went away
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def say() -> SimpleNamespace:
    """The words of the protocol: ``result``, ``complete``, ``every_period``, ``refused``."""
    return SimpleNamespace(result=result, complete=complete, every_period=every_period, refused=refused)
