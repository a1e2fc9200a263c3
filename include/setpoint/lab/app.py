"""The WSGI application: the control API in front, faults of the API, then moto."""

import io
import json
import random
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from setpoint.lab.calls import ApiCall, CallLog, identify
from setpoint.lab.control import PREFIX, ControlApi
from setpoint.lab.faults import Fault, FaultKind
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
        if call is None or call.service in UNLOCKED_SERVICES:
            refused = None if call is None else self._refusal(call, body)
            return self._aws(environ, start_response) if refused is None else refused(start_response)
        with self._lock:
            refused = self._refusal(call, body)
            if not call.mutating:
                return self._aws(environ, start_response) if refused is None else refused(start_response)
            return self._recorded(call, environ, start_response, refused)

    def _recorded(
        self, call: ApiCall, environ: Environ, start_response: StartResponse, refused: "Refusal | None"
    ) -> Iterable[bytes]:
        seen: dict[str, Any] = {}

        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            seen["status"] = int(status.split(" ", 1)[0])
            return start_response(status, headers, *rest)

        before = self._capacity(call)
        answered = self._aws(environ, note) if refused is None else refused(note)
        body = b"".join(answered)
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

    def _refusal(self, call: ApiCall, body: bytes) -> "Refusal | None":
        with self._lock:
            for fault in self._world.environment.faults.active():
                if self._hits(fault, call, body):
                    return Refusal(call, throttled=fault.kind is FaultKind.THROTTLING)
        return None

    def _hits(self, fault: Fault, call: ApiCall, body: bytes) -> bool:
        if fault.kind not in (FaultKind.THROTTLING, FaultKind.API_DOWN):
            return False
        if call.service not in fault.request.services:
            return False
        fleet = fault.request.fleet
        if fleet is not None and fleet.encode() not in body:
            return False
        return self._dice.random() < fault.request.share


class Refusal:
    """The answer of an API that throttles (400) or is down (500), in the protocol of the caller."""

    def __init__(self, call: ApiCall, *, throttled: bool) -> None:
        self._call = call
        self._throttled = throttled

    def __call__(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer."""
        code, message = self._error()
        status = "400 Bad Request" if self._throttled else "500 Internal Server Error"
        request_id = str(uuid.uuid4())
        if "json" in self._call.content_type:
            fault = "Sender" if self._throttled else "Receiver"
            headers = [
                ("Content-Type", self._call.content_type),
                ("x-amzn-query-error", f"{code};{fault}"),
                ("x-amzn-RequestId", request_id),
            ]
            body = json.dumps({"__type": f"com.amazon.coral.service#{code}", "message": message})
        else:
            headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
            body = self._xml(code, message, request_id)
        encoded = body.encode()
        start_response(status, [*headers, ("Content-Length", str(len(encoded)))])
        return [encoded]

    def _error(self) -> tuple[str, str]:
        if not self._throttled:
            return "InternalFailure", "The request processing has failed because of an unknown error."
        special = {"ec2": "RequestLimitExceeded", "sqs": "RequestThrottled"}
        return special.get(self._call.service, "Throttling"), "Rate exceeded"

    def _xml(self, code: str, message: str, request_id: str) -> str:
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if self._call.service == "ec2":
            return f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        kind = "Sender" if self._throttled else "Receiver"
        return (
            f"<ErrorResponse><Error><Type>{kind}</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )


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
