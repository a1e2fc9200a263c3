"""A request's body: bounded in size and time while it comes in, before anything looks into it."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

from fastapi import Request

from setpoint.events.envelope import MAX_BYTES
from setpoint_airflow.webhook.answers import ProblemError

READ_SECONDS = 10.0
"""How long a body of this size may take to arrive."""

_JSON = re.compile(r"application/(json|[a-z0-9.-]+\+json)")


def check_head(request: Request, *, may_be_text: bool) -> None:
    """Refuse by its headers alone a body that is not JSON, or too large.

    :param may_be_text: Amazon SNS calls its JSON ``text/plain``.
    :raises ProblemError: 413 or 415.
    """
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    allowed = _JSON.fullmatch(kind) is not None or (may_be_text and kind == "text/plain")
    if kind == "application/cloudevents-batch+json":
        raise _media("a batch of CloudEvents is not read; send one event a request")
    if not allowed:
        raise _media(
            f"Content-Type is {kind[:100] or 'missing'}; send application/json or application/cloudevents+json"
        )
    charset = re.search(r"charset\s*=\s*\"?([^\";\s]+)", rest.lower())
    if charset and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise _media(f"charset is {charset[1][:40]}; JSON is UTF-8")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _media("Content-Encoding is not read; send the body as it is")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BYTES:
        raise _too_large()


async def read_body(request: Request, *, seconds: float = READ_SECONDS) -> bytes:
    """The body, or nothing of it: as soon as it is too large, the rest is not read.

    :raises ProblemError: 408 or 413.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > MAX_BYTES:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise ProblemError(
            HTTPStatus.REQUEST_TIMEOUT, "slow", f"the body did not arrive within {seconds:g} s", {"Connection": "close"}
        ) from None
    return b"".join(parts)


def _media(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", detail)


def _too_large() -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"the body is larger than {MAX_BYTES:,} bytes",
        # What is left of the body will not be read, so the connection cannot be used again.
        {"Connection": "close"},
    )
