"""The world of ``aws.cloudwatch_stream``: an S3 with what Firehose delivered, over a loopback server."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from worlds.base import Ability, Points, ServedWorld, WorldServer

from setpoint.sources.cloudwatch_stream import CloudWatchStreamSource, StreamMetric


class CloudWatchStreamWorld(ServedWorld):
    """A bucket with an object a minute, gzipped as Firehose is best set up to."""

    registered: ClassVar[str] = "aws.cloudwatch_stream"
    lacks: ClassVar[Mapping[Ability, str]] = {}

    def __init__(self) -> None:
        self.objects: dict[str, tuple[datetime, bytes]] = {}
        self.page_keys = 1000
        self.refusals: list[tuple[int, str]] = []
        self.denied = False
        super().__init__(_handler(self))

    def source(self, timeout_seconds: float = 30.0) -> CloudWatchStreamSource:
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            region_name="eu-west-1",
            endpoint_url=self._server.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                connect_timeout=timeout_seconds,
                read_timeout=timeout_seconds,
                retries={"mode": "standard", "total_max_attempts": 2},
            ),
        )
        return CloudWatchStreamSource(client)

    def metric(self, **keys: Any) -> StreamMetric:
        common = {"source": "aws.cloudwatch_stream", "bucket": "metrics", "namespace": "Test", "name": "Load"}
        return StreamMetric.model_validate(
            {**common, "statistic": "Average", "period": "1m", "window": "10m", "settle": "0s", **keys}
        )

    def put(self, points: Mapping[str, Points]) -> None:
        by_minute: dict[datetime, list[str]] = {}
        for target, own in points.items():
            for at, value in own:
                by_minute.setdefault(at, []).append(line(target, at, value))
        self.objects = {}
        for at, lines in by_minute.items():
            self.put_object(at, f"{at:%M}.gz", gzip.compress("".join(lines).encode()))

    def put_object(self, at: datetime, name: str, content: bytes) -> None:
        """An object of this minute, written when the minute was over."""
        self.objects[f"{at:%Y/%m/%d/%H}/{name}"] = (datetime.fromtimestamp(at.timestamp() + 60, tz=UTC), content)

    def page(self, points: int) -> None:
        self.page_keys = points

    def throttle(self, times: int) -> None:
        self.refusals = [(503, "SlowDown")] * times

    def fail(self, times: int) -> None:
        self.refusals = [(500, "InternalError")] * times

    def deny(self) -> None:
        self.denied = True

    def say_partial(self, target: str) -> None:
        at = datetime(2026, 3, 1, 11, 55, tzinfo=UTC)
        self.put_object(at, "half.gz", gzip.compress(line(target, at, 99.0).encode())[:-9])

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """What S3 answers to a GET: status, headers and body."""
        if self.denied:
            return _error(403, "AccessDenied")
        if self.refusals:
            return _error(*self.refusals.pop())
        parts = urlsplit(path)
        key = unquote(parts.path).removeprefix("/metrics").removeprefix("/")
        if not key:
            return 200, {"Content-Type": "application/xml"}, self._listing(parse_qs(parts.query))
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        written_at, content = self.objects[key]
        headers = {"ETag": _etag(content), "Last-Modified": format_datetime(written_at, usegmt=True)}
        return 200, headers, content

    def _listing(self, asked: dict[str, list[str]]) -> bytes:
        prefix, after = asked.get("prefix", [""])[0], asked.get("continuation-token", [""])[0]
        keys = [key for key in sorted(self.objects) if key.startswith(prefix) and key > after]
        here, more = keys[: self.page_keys], len(keys) > self.page_keys
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>{escape(_etag(content))}</ETag><Size>{len(content)}</Size>"
            f"<LastModified>{written_at:%FT%T.000Z}</LastModified></Contents>"
            for key, (written_at, content) in ((key, self.objects[key]) for key in here)
        )
        token = f"<NextContinuationToken>{escape(here[-1])}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{contents}{token}</ListBucketResult>"
        ).encode()


def line(target: str, at: datetime, sample: float, /, **fields: Any) -> str:
    """One point as the stream writes it, made of one sample unless ``value`` says otherwise."""
    told = {
        "metric_stream_name": "fleet",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "namespace": "Test",
        "metric_name": "Load",
        "dimensions": {"AutoScalingGroupName": target},
        "timestamp": int(at.timestamp() * 1000),
        "value": {"max": sample, "min": sample, "sum": sample, "count": 1.0},
        "unit": "Percent",
    }
    return json.dumps({**told, **fields}) + "\n"


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    body = f"<Error><Code>{code}</Code><Message>we are sorry</Message></Error>"
    return status, {"Content-Type": "application/xml"}, body.encode()


def _handler(world: CloudWatchStreamWorld) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: WorldServer

        def do_GET(self) -> None:
            if not self.server.hold(self):
                return
            status, headers, body = world.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    return Handler
