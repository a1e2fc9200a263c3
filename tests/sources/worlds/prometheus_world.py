"""The world of ``prometheus``: the range query of its HTTP API as documented, over a loopback server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs

from worlds.base import Ability, Points, ServedWorld, WorldServer

from setpoint.sources.http_messages import HttpLimits
from setpoint.sources.http_session import HttpSession
from setpoint.sources.prometheus import PrometheusMetric, PrometheusSource

Answer = tuple[int, dict[str, Any]]

_MATCHER = re.compile(r'group=~"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:U([0-9a-f]{8})|(.))")


class PrometheusWorld(ServedWorld):
    """A Prometheus with one metric, whose samples came at the end of each period."""

    registered: ClassVar[str] = "prometheus"
    lacks: ClassVar[Mapping[Ability, str]] = {
        "pages": "a range query has no pages; too long a window is asked for in parts (test_prometheus.py)",
    }

    def __init__(self) -> None:
        self._points: dict[str, dict[float, float]] = {}
        self._refusals: list[tuple[int, str]] = []
        self._denied = False
        self._partial = ""
        super().__init__(_handler(self))

    def source(self, timeout_seconds: float = 30.0) -> PrometheusSource:
        limits = HttpLimits(timeout_seconds, timeout_seconds, timeout_seconds, attempts=2, pause_seconds=0.01)
        return PrometheusSource(HttpSession(self._server.url, name="prometheus_test", limits=limits))

    def metric(self, **keys: Any) -> PrometheusMetric:
        query = "avg by (group) (avg_over_time(load{group=~$targets}[$period]))"
        common = {"source": "prometheus", "connection": "prometheus_test", "query": query, "label": "group"}
        return PrometheusMetric.model_validate({**common, "period": "1m", "window": "10m", **keys})

    def put(self, points: Mapping[str, Points]) -> None:
        self._points = {target: {at.timestamp(): value for at, value in own} for target, own in points.items()}

    def throttle(self, times: int) -> None:
        self._refusals = [(429, "")] * times

    def fail(self, times: int) -> None:
        self._refusals = [(500, "internal")] * times

    def deny(self) -> None:
        self._denied = True

    def say_partial(self, target: str) -> None:
        self._partial = f"store of {target} is not reachable"

    def answer(self, form: Mapping[str, str]) -> Answer:
        """What Prometheus answers to a form."""
        if self._denied:
            return 403, {"message": "no"}
        if self._refusals:
            status, kind = self._refusals.pop()
            return status, {"status": "error", "errorType": kind, "error": "we are sorry"} if kind else {}
        match = _MATCHER.search(form["query"])
        assert match is not None
        wanted = re.compile(_ESCAPE.sub(lambda one: chr(int(one[1], 16)) if one[1] else one[2], match[1]))
        start, end, step = int(form["start"]), int(form["end"]), int(form["step"])
        result = []
        for target, points in self._points.items():
            values = [[at, repr(points[at - step])] for at in range(start, end + 1, step) if at - step in points]
            if values and wanted.fullmatch(target):
                result.append({"metric": {"group": target}, "values": values})
        warnings = {"warnings": [self._partial]} if self._partial else {}
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}, **warnings}


def _handler(world: PrometheusWorld) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: WorldServer

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert self.path == "/api/v1/query_range"
            if not self.server.hold(self):
                return
            status, answer = world.answer({key: values[0] for key, values in parse_qs(body).items()})
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    return Handler
