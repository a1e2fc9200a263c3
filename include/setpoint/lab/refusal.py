"""How an API refuses, in the protocol of its caller, or does not answer at all."""

import contextlib
import json
import socket
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from setpoint.lab.calls import ApiCall

StartResponse = Callable[..., Any]


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


def cut_off(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Close the connection without a word. What is then "answered" reaches nobody."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # the caller was faster
            connection.shutdown(socket.SHUT_RDWR)
    start_response("503 Service Unavailable", [("Content-Length", "0")])
    return []
