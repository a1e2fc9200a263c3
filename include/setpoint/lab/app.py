"""The WSGI application: the control API in front, faults of the API, then moto."""

import io
import json
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from setpoint.lab.calls import ApiCall, CallLog, identify
from setpoint.lab.control import PREFIX, ControlApi
from setpoint.lab.faults import API_FAULTS, Fault, FaultKind
from setpoint.lab.refusal import Refusal, cut_off
from setpoint.lab.world.state import FleetCapacity
from setpoint.lab.world.world import World

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

UNLOCKED_SERVICES = frozenset({"sqs"})
"""A long poll must not hold the lock; moto's queues have their own."""


class LabApplication:
    """Decides for each request who answers it."""

    def __init__(self, world: World, calls: CallLog, control: ControlApi, aws: WsgiApp) -> None:
        self._world = world
        self._calls = calls
        self._control = control
        self._aws = aws
        self._lock = world.environment.lock
        self._dice = random.Random(world.environment.config.seed)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return self._control(environ, start_response)
        if path.startswith("/moto-api"):  # it would reset the backends behind the world's back
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [f"moto's own API is closed here, use {PREFIX}/\n".encode()]
        body = _read_body(environ)
        call = identify(
            environ.get("HTTP_AUTHORIZATION", ""),
            environ.get("HTTP_X_AMZ_TARGET", ""),
            environ.get("CONTENT_TYPE", ""),
            body,
        )
        if call is None:
            return self._aws(environ, start_response)
        fault = self._fault(call, body)
        if fault is None:
            return self._answered(call, environ, start_response)
        return self._disturbed(fault, call, environ, start_response)

    def _disturbed(
        self, fault: Fault, call: ApiCall, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        kind, request = fault.kind, fault.request
        if kind in (FaultKind.THROTTLING, FaultKind.API_DOWN):
            refusal = Refusal(call, throttled=kind is FaultKind.THROTTLING)
            return self._answered(call, environ, start_response, lambda _, start: refusal(start))
        if kind is FaultKind.CUT_OFF:
            return self._answered(call, environ, start_response, cut_off)
        if kind is FaultKind.WRONG_CAPACITY:
            with self._lock, self._world.cloud.misreporting(request.fleet, request.wrong_units):
                return list(self._aws(environ, start_response))
        if kind is FaultKind.SLOW:
            time.sleep(request.delay_seconds)
            return self._answered(call, environ, start_response)
        answer = self._answered(call, environ, start_response)
        time.sleep(request.delay_seconds)  # lost: by now its caller has given up
        return answer

    def _answered(
        self, call: ApiCall, environ: Environ, start_response: StartResponse, answer: WsgiApp | None = None
    ) -> Iterable[bytes]:
        """Let AWS, or ``answer`` in its place, answer a call, and record the call when it changes something."""
        aws = answer or self._aws
        if call.service in UNLOCKED_SERVICES:
            return aws(environ, start_response)
        with self._lock:
            return self._recorded(call, environ, start_response, aws) if call.mutating else aws(environ, start_response)

    def _recorded(
        self, call: ApiCall, environ: Environ, start_response: StartResponse, aws: WsgiApp
    ) -> Iterable[bytes]:
        seen: dict[str, Any] = {}

        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            seen["status"] = int(status.split(" ", 1)[0])
            return start_response(status, headers, *rest)

        before = self._capacity(call)
        body = b"".join(aws(environ, note))
        status = int(seen.get("status", 500))
        self._calls.add(
            call,
            self._world.environment.clock.now(),
            status,
            _error_code(body) if status >= 400 else None,
            before,
            self._capacity(call),
        )
        return [body]

    def _capacity(self, call: ApiCall) -> tuple[int, int, int] | None:
        if call.group is None or call.service != "autoscaling":
            return None
        capacity: FleetCapacity = self._world.cloud.capacity(call.group)
        return (capacity.min_size, capacity.desired, capacity.max_size) if capacity.exists else None

    def _fault(self, call: ApiCall, body: bytes) -> Fault | None:
        """The fault that hits this call, counted; the oldest one when there are several."""
        with self._lock:
            faults = self._world.environment.faults
            for fault in faults.active():
                if self._hits(fault, call, body):
                    faults.count_hit(fault)
                    return fault
        return None

    def _hits(self, fault: Fault, call: ApiCall, body: bytes) -> bool:
        request = fault.request
        if fault.kind not in API_FAULTS or call.service not in request.services:
            return False
        if fault.kind is FaultKind.WRONG_CAPACITY and call.action != "DescribeAutoScalingGroups":
            return False
        if request.actions and call.action not in request.actions:
            return False
        if request.fleet is not None and request.fleet.encode() not in body:
            return False
        return self._dice.random() < request.share


def _read_body(environ: Environ) -> bytes:
    """Return the request body and leave it readable for the next reader."""
    if environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
        body: bytes = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return body


def _error_code(body: bytes) -> str | None:
    """Return the error code of an XML or JSON answer, None when it has none."""
    text = body.decode("utf-8", "replace")
    if "<Code>" in text:
        return text.partition("<Code>")[2].partition("</Code>")[0]
    try:
        value = json.loads(text)
    except ValueError:
        return None
    kind = value.get("__type") if isinstance(value, dict) else None
    return str(kind).rpartition("#")[2] if kind else None
