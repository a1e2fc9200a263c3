"""``POST /setpoint/events/{sender}``: a message over HTTP, the same way into the ledger as a queue's.

In this order, each step before the next: is there such a sender; are the headers those of a JSON body that is not too
large; has the sender proven who it is (a token before a byte of the body is read; a signature over the whole body); is
it within its rate. Only then is the message looked into. It is answered after the ledger has committed it.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import anyio.to_thread
import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from setpoint.events.contract import EventError
from setpoint.events.envelope import parse_object
from setpoint.events.rates import TokenBucket
from setpoint.events.senders import BearerSender, HmacSender, Sender, SendersError, SnsSender
from setpoint.events.signatures import SignatureError, verify_bearer, verify_hmac
from setpoint.events.sns_signature import SnsMessage, verify_sns
from setpoint.events.take_in import Message, TakenIn
from setpoint.ledger import LedgerError
from setpoint.policy.problems import PolicyError
from setpoint.registry import ExtensionError
from setpoint.settings import SettingsError
from setpoint_airflow.webhook.answers import ProblemError, retry_after
from setpoint_airflow.webhook.body import check_head, read_body
from setpoint_airflow.webhook.deployment import Deployment
from setpoint_airflow.webhook.secrets import NotReadyError

log = structlog.get_logger("setpoint.webhook")

THREADS = 8
"""Requests that are worked on at once. Airflow's own requests have other threads, so none of them waits for these."""
THREADS_ASKING_SNS = 2
"""Apart from these: what may have to wait for a server of SNS."""
MOST_WAITING = 32
"""Requests of one sender that are there at once, each with at most 256 KiB; the next one is asked to come again. By
sender, so that whoever posts slowly and unproven in one's name keeps no other out."""

_KEY = re.compile(r"[\x21-\x7e]{1,200}")

T = TypeVar("T")


@dataclass(frozen=True)
class _Proven:
    """A message of whom it says it is of."""

    message: Message
    sns: SnsMessage | None = None


def webhook_app(
    deployment: Deployment,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    clock_seconds: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The webhook as an application of its own; Airflow mounts it at ``/setpoint``.

    :param clock_seconds: a clock that only goes forward, for the rates.
    """
    app = FastAPI(title="Setpoint's webhook", docs_url=None, redoc_url=None, openapi_url=None)
    desk = _Desk(deployment, now, clock_seconds)

    @app.exception_handler(HTTPException)
    async def no_such_request(request: Request, error: HTTPException) -> Response:
        """What the framework refuses before anything here is asked: another method, another path."""
        detail = f"{request.method} is not answered here; POST to /setpoint/events/<sender>"
        return ProblemError(
            HTTPStatus(error.status_code), "no_such_request", detail, dict(error.headers or {})
        ).answer()

    @app.post("/events/{sender}")
    async def post_event(sender: str, request: Request) -> Response:
        try:
            return await desk.serve(sender, request)
        except ProblemError as problem:
            return problem.answer()

    return app


class _Desk:
    """Serves requests, one after the other of its steps."""

    def __init__(self, deployment: Deployment, now: Callable[[], datetime], clock_seconds: Callable[[], float]) -> None:
        self._deployment = deployment
        self._now = now
        self._clock_seconds = clock_seconds
        self._rates: dict[tuple[str, int, int], TokenBucket] = {}
        self._complaints = TokenBucket(per_minute=60, burst=20)
        self._present: Counter[str] = Counter()
        self._limiters: tuple[CapacityLimiter, CapacityLimiter] | None = None

    async def serve(self, name: str, request: Request) -> Response:
        """:raises ProblemError: whatever keeps the message out of the ledger."""
        sender = await self._sender(name)
        if self._present[name] >= MOST_WAITING:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many requests at once; come again", retry_after(1)
            )
        self._present[name] += 1
        try:
            return await self._serve(name, sender, request)
        finally:
            self._present[name] -= 1

    async def _serve(self, name: str, sender: Sender, request: Request) -> Response:
        check_head(request, may_be_text=isinstance(sender, SnsSender))
        try:
            proven = await self._prove(name, sender, request)
        except SignatureError as error:
            self._complain("a request was refused", sender=name, code=error.code, error=str(error))
            raise _unproven(sender, error) from None
        except NotReadyError as error:
            self._complain("a sender cannot be checked", sender=name, error=str(error))
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", "this sender cannot be checked now", retry_after(30)
            ) from None
        self._within_rate(name, sender)
        if proven.sns is not None and proven.sns.type != "Notification":
            return await self._control(name, proven.sns)
        return await self._take_in(name, proven.message)

    async def _sender(self, name: str) -> Sender:
        try:
            senders = await self._in_thread(self._deployment.senders)
        except SendersError as error:
            self._complain("the webhook's senders cannot be read; all are refused", problems=str(error))
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", "no sender can be checked now", retry_after(30)
            ) from None
        sender = senders.get(name)
        if sender is None:
            self._complain(
                "a request for a sender that is not configured",
                sender=name[:80],
                known=sorted(senders),
                todo=f"add it to {self._deployment.senders_file}, or correct the address it posts to",
            )
            raise ProblemError(HTTPStatus.NOT_FOUND, "unknown_sender", "no such sender is configured")
        return sender

    async def _prove(self, name: str, sender: Sender, request: Request) -> _Proven:
        if isinstance(sender, BearerSender):
            secrets = await self._in_thread(lambda: self._deployment.secrets(name, sender))
            verify_bearer(request.headers.get("authorization"), secrets)
            return _Proven(Message(_given_id(request), _text(_structured(request, await read_body(request)))))
        if "ce-specversion" in request.headers:
            # An attacker could send a signed body again under other headers.
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                "binary CloudEvents have their attributes in headers, which no signature covers; send structured mode",
            )
        body = await read_body(request)
        if isinstance(sender, HmacSender):
            message_id = await self._in_thread(lambda: self._signed(name, sender, request.headers, body))
            return _Proven(Message(message_id, _text(body)))
        sns = await self._in_thread(lambda: self._of_sns(sender, body), asking_sns=True)
        return _Proven(Message(sns.message_id, _text(body)), sns)

    def _signed(self, name: str, sender: HmacSender, headers: Mapping[str, str], body: bytes) -> str:
        secrets = self._deployment.secrets(name, sender)
        try:
            return verify_hmac(sender.format, headers, body, secrets, now=self._now(), tolerance=sender.tolerance)
        except ValueError as error:
            raise NotReadyError(str(error)) from error

    def _of_sns(self, sender: SnsSender, body: bytes) -> SnsMessage:
        try:
            content = parse_object(_text(body), what="the body")
        except EventError as error:
            raise SignatureError("malformed", f"this is no SNS message: {error.code}") from None
        return verify_sns(content, sender.topics, now=self._now(), certificate=self._deployment.certificate)

    def _within_rate(self, name: str, sender: Sender) -> None:
        key = (name, sender.per_minute, sender.burst)
        if key not in self._rates:
            self._rates = {one: bucket for one, bucket in self._rates.items() if one[0] != name}
            self._rates[key] = TokenBucket(sender.per_minute, sender.burst)
        if wait_seconds := self._rates[key].take(self._clock_seconds()):
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate",
                f"{name} may send {sender.per_minute} messages a minute, {sender.burst} at once",
                retry_after(wait_seconds),
            )

    async def _control(self, name: str, sns: SnsMessage) -> Response:
        if sns.confirm_url is None:
            log.warning("a topic's subscription to the webhook was ended", sender=name, topic=sns.topic)
            return JSONResponse({"fate": "noted", "type": sns.type})
        url = sns.confirm_url
        try:
            await self._in_thread(lambda: self._deployment.confirm(url), asking_sns=True)
        except NotReadyError as error:
            log.error("a topic's subscription could not be confirmed", sender=name, topic=sns.topic, error=str(error))
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "not_confirmed", "SNS did not take the confirmation", retry_after(30)
            ) from None
        log.info("a topic's subscription was confirmed", sender=name, topic=sns.topic)
        return JSONResponse({"fate": "confirmed", "type": sns.type})

    async def _take_in(self, name: str, message: Message) -> Response:
        try:
            taken = await self._in_thread(lambda: self._deployment.take_in(name, message))
        except LedgerError as error:
            log.error("the ledger took no message of the webhook", sender=name, error=str(error))
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "ledger",
                "the message is not recorded, because the ledger does not answer; send it again",
                retry_after(5),
            ) from None
        except (PolicyError, ExtensionError, SettingsError) as error:
            log.error("nothing can be taken in", sender=name, error=str(error))
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "not_ready",
                "the message is not recorded; send it again",
                retry_after(30),
            ) from None
        if taken.refused:
            reason = taken.refused[0]
            log.warning("message rejected", sender=name, message_id=message.message_id, code=reason.code)
            raise ProblemError(HTTPStatus.BAD_REQUEST, reason.code, reason.text)
        return JSONResponse(receipt(taken), status_code=HTTPStatus.ACCEPTED)

    async def _in_thread(self, work: Callable[[], T], *, asking_sns: bool = False) -> T:
        if self._limiters is None:  # made here, because they belong to the running loop
            self._limiters = CapacityLimiter(THREADS), CapacityLimiter(THREADS_ASKING_SNS)
        # Not abandoned when the sender hangs up: what was committed wakes its policies all the same.
        return await anyio.to_thread.run_sync(work, limiter=self._limiters[asking_sns])

    def _complain(self, event: str, **details: Any) -> None:
        """Log what an unproven sender caused; not more often than a disk, and a person, can bear."""
        if not self._complaints.take(self._clock_seconds()):
            log.warning(event, **details)


def receipt(taken: TakenIn) -> dict[str, Any]:
    """What became of the one message that was taken in, for its sender."""
    (kept,) = taken.receipts
    return {
        "receipt_id": kept.receipt_id,
        "message_id": kept.message_id,
        "fate": "duplicate" if taken.repeated else kept.fate,
        "event_ids": list(kept.event_ids),
        "woken": sorted(taken.woken),
    }


def _unproven(sender: Sender, error: SignatureError) -> ProblemError:
    if error.code == "topic":
        return ProblemError(HTTPStatus.FORBIDDEN, "unknown_topic", str(error))
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(sender, BearerSender) else None
    return ProblemError(HTTPStatus.UNAUTHORIZED, f"signature_{error.code}", str(error), headers)


def _given_id(request: Request) -> str:
    """The sender's own identity of the message, so that a repeated request counts once; else a new one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return str(uuid.uuid4())
    if not _KEY.fullmatch(key):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "idempotency_key", "Idempotency-Key has 1 to 200 visible ASCII characters"
        )
    return f"key-{key}"


def _structured(request: Request, body: bytes) -> bytes:
    """A binary CloudEvent in its structured form; every other body as it is."""
    if "ce-specversion" not in request.headers:
        return body
    from setpoint.events.cloudevents_http import from_headers

    try:
        return json.dumps(from_headers(request.headers, body)).encode()
    except EventError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, error.code, str(error)) from None


def _text(body: bytes) -> str:
    # What is not UTF-8 is not JSON either, and goes to the rejects as what it was.
    return body.decode("utf-8", "backslashreplace")
