"""The world of ``aws.cloudwatch``: GetMetricData as documented (AWS JSON 1.0), over a loopback server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from worlds.base import Ability, Points, ServedWorld, WorldServer

from setpoint.sources.cloudwatch import CloudWatchMetric, CloudWatchSource

Answer = tuple[int, dict[str, Any]]


class CloudWatchWorld(ServedWorld):
    """A CloudWatch with one metric, by the name of an Auto Scaling group."""

    registered: ClassVar[str] = "aws.cloudwatch"
    lacks: ClassVar[Mapping[Ability, str]] = {
        "unicode": "a dimension's value is printable ASCII; that such a target is told of is in test_cloudwatch.py",
    }

    def __init__(self) -> None:
        self._points: dict[str, dict[float, float]] = {}
        self._page: int | None = None
        self._refusals: list[tuple[str, int]] = []
        self._denied = False
        self._partial: set[str] = set()
        super().__init__(_handler(self))

    def source(self, timeout_seconds: float = 30.0) -> CloudWatchSource:
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "cloudwatch",
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
        return CloudWatchSource(client)

    def metric(self, **keys: Any) -> CloudWatchMetric:
        common = {"source": "aws.cloudwatch", "namespace": "Test", "name": "Load", "statistic": "Average"}
        return CloudWatchMetric.model_validate({**common, "period": "1m", "window": "10m", **keys})

    def put(self, points: Mapping[str, Points]) -> None:
        self._points = {target: {at.timestamp(): value for at, value in own} for target, own in points.items()}

    def page(self, points: int) -> None:
        self._page = points

    def throttle(self, times: int) -> None:
        self._refusals = [("ThrottlingException", 400)] * times

    def fail(self, times: int) -> None:
        self._refusals = [("InternalServiceFault", 500)] * times

    def deny(self) -> None:
        self._denied = True

    def say_partial(self, target: str) -> None:
        self._partial.add(target)

    def answer(self, request: dict[str, Any]) -> Answer:
        """What CloudWatch answers to a request."""
        if self._denied:
            return _refused("AccessDenied", "no identity-based policy allows the cloudwatch:GetMetricData action", 403)
        if self._refusals:
            code, status = self._refusals.pop()
            return _refused(code, "Rate exceeded" if status == 400 else "we are sorry", status)
        return 200, self._pages([self._result(query, request) for query in request["MetricDataQueries"]], request)

    def _result(self, query: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        dimensions = {one["Name"]: one["Value"] for one in query["MetricStat"]["Metric"]["Dimensions"]}
        target = dimensions["AutoScalingGroupName"]
        own = {
            at: value
            for at, value in sorted(self._points.get(target, {}).items())
            if request["StartTime"] <= at < request["EndTime"]
        }
        return {
            "Id": query["Id"],
            "Label": "Load",
            "Timestamps": list(own),
            "Values": list(own.values()),
            "StatusCode": "PartialData" if target in self._partial else "Complete",
            "Messages": [{"Code": "Partial", "Value": "not all was read"}] if target in self._partial else [],
        }

    def _pages(self, results: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        """All results, or those points whose turn it is; a series that goes on has PartialData, as documented."""
        if self._page is None:
            return {"MetricDataResults": results}
        first, told, number = int(request.get("NextToken", 0)), [], 0
        for one in results:
            here = range(max(0, first - number), max(0, min(len(one["Values"]), first + self._page - number)))
            more = number + len(one["Values"]) > first + self._page
            number += len(one["Values"])
            if here or not one["Values"]:
                cut = {key: one[key][here.start : here.stop] for key in ("Timestamps", "Values")}
                told.append({**one, **cut, **({"StatusCode": "PartialData"} if more else {})})
        token = {"NextToken": str(first + self._page)} if number > first + self._page else {}
        return {"MetricDataResults": told, **token}


def _refused(code: str, message: str, status: int) -> Answer:
    return status, {"__type": f"com.amazonaws.cloudwatch#{code}", "message": message}


def _handler(world: CloudWatchWorld) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: WorldServer

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.server.hold(self):
                return
            status, answer = world.answer(request)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output to itself."""

    return Handler
