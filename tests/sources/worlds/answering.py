"""A server on the loopback that answers each request by a function of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from worlds.base import WorldServer


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    """Path and query, still escaped."""
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Answered:
    """What is answered. ``chunks`` are sent one by one, after ``pause`` was called for each."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    pause: Callable[[], Any] = lambda: None


def as_json(value: Any, status: int = 200, **headers: str) -> Answered:
    """An answer in JSON."""
    return Answered(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})


class AnsweringServer(WorldServer):
    """Keeps what it was asked; ``answer`` makes the answer to each request."""

    def __init__(self, answer: Callable[[Asked], Answered]) -> None:
        self.asked: list[Asked] = []
        self.answer = answer
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AnsweringServer

    def do_GET(self) -> None:
        self._reply("")

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _reply(self, body: str) -> None:
        asked = Asked(self.command, self.path, dict(self.headers), body)
        self.server.asked.append(asked)
        if not self.server.hold(self):
            return
        answered = self.server.answer(asked)
        chunks = answered.chunks or (answered.body,)
        self.send_response(answered.status)
        for name, value in answered.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(sum(map(len, chunks))))
        self.end_headers()
        for chunk in chunks:
            answered.pause()
            self.wfile.write(chunk)
            self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        """Keep the test's output to itself."""
