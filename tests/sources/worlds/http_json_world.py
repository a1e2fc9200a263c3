"""The world of ``http_json``: an endpoint that answers a list of points, page by page, over a loopback server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from worlds.base import Ability, Points, ServedWorld, WorldServer

from setpoint.sources.http_json import HttpJsonMetric, HttpJsonSource
from setpoint.sources.http_messages import HttpLimits
from setpoint.sources.http_session import HttpSession

Answer = tuple[int, dict[str, Any]]


class HttpJsonWorld(ServedWorld):
    """An endpoint with one metric of a fleet."""

    registered: ClassVar[str] = "http_json"
    lacks: ClassVar[Mapping[Ability, str]] = {}

    def __init__(self) -> None:
        self._points: dict[str, dict[datetime, float]] = {}
        self._page: int | None = None
        self._refusals: list[int] = []
        self._denied = False
        self._partial: set[str] = set()
        super().__init__(_handler(self))

    def source(self, timeout_seconds: float = 30.0) -> HttpJsonSource:
        limits = HttpLimits(timeout_seconds, timeout_seconds, timeout_seconds, attempts=2, pause_seconds=0.01)
        return HttpJsonSource(HttpSession(f"{self._server.url}/api/", name="json_test", limits=limits))

    def metric(self, **keys: Any) -> HttpJsonMetric:
        common = {
            "source": "http_json",
            "connection": "json_test",
            "unit": "Percent",
            "path": "load",
            "params": {"from": "{start}", "to": "{end}"},
            "points": "$.points",
            "timestamp": "$.at",
            "value": "$.value",
            "target": "$.host",
            "next": "$.next",
            "partial": "$.missing",
        }
        return HttpJsonMetric.model_validate({**common, "period": "1m", "window": "10m", **keys})

    def put(self, points: Mapping[str, Points]) -> None:
        self._points = {target: dict(own) for target, own in points.items()}

    def page(self, points: int) -> None:
        self._page = points

    def throttle(self, times: int) -> None:
        self._refusals = [429] * times

    def fail(self, times: int) -> None:
        self._refusals = [500] * times

    def deny(self) -> None:
        self._denied = True

    def say_partial(self, target: str) -> None:
        self._partial.add(target)

    def answer(self, url: str) -> Answer:
        """What the endpoint answers to a URL."""
        if self._denied:
            return 401, {"error": "no"}
        if self._refusals:
            return self._refusals.pop(), {"error": "we are sorry"}
        asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        start, end = (datetime.fromisoformat(asked[key]) for key in ("from", "to"))
        found = [
            {"host": target, "at": at.isoformat(), "value": value}
            for target, points in self._points.items()
            for at, value in points.items()
            if start <= at < end
        ]
        first = int(asked.get("first", 0))
        last = first + (self._page or len(found))
        more = {"next": f"?from={asked['from']}&to={asked['to']}&first={last}"} if last < len(found) else {}
        return 200, {"points": found[first:last], "missing": sorted(self._partial), **more}


def _handler(world: HttpJsonWorld) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: WorldServer

        def do_GET(self) -> None:
            assert urlsplit(self.path).path == "/api/load"
            if not self.server.hold(self):
                return
            status, answer = world.answer(self.path)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    return Handler
