"""Who sent this? A shared token, or an HMAC over time and body. Pure: the clock and the secrets are arguments.

Secrets are compared in constant time, and no error repeats one, or what came instead of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from setpoint.events.senders import HmacFormat

LEAST_SECRET = 16
"""Characters a secret has at least: whoever may guess ten times a second for a year does not guess it."""

_MOST_SIGNATURES = 8
_MOST_ID = 200
_ID = re.compile(r"[\x21-\x7e]+")


class SignatureError(Exception):
    """The sender did not prove who it is.

    :param code: for programs: ``missing``, ``malformed``, ``stale``, ``wrong``, or ``topic`` when it is a topic that is
        not configured.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def verify_bearer(authorization: str | None, secrets: Sequence[str]) -> None:
    """Check an ``Authorization`` header (RFC 6750) against the secrets.

    :raises SignatureError: there is none, or it is another's.
    """
    if not authorization:
        raise SignatureError("missing", "there is no Authorization header; send Authorization: Bearer <token>")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SignatureError("malformed", "the Authorization header is not of the form Bearer <token>")
    given = token.strip().encode("latin-1", "replace")  # as HTTP headers are written
    # All are compared, so that the time tells nothing of which one it was.
    matches = [hmac.compare_digest(given, secret.encode()) for secret in secrets]
    if not any(matches):
        raise SignatureError("wrong", "the token is not this sender's")


def verify_hmac(
    form: HmacFormat,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    now: datetime,
    tolerance: timedelta,
) -> str:
    """Check a signature over time and body, and return an identity of the message that the signature covers.

    ``standard`` is Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/
    standard-webhooks.md): ``webhook-signature`` holds ``v1,<base64>`` entries, each HMAC-SHA256 over
    ``<webhook-id>.<webhook-timestamp>.<body>``; a secret ``whsec_<base64>`` stands for its bytes.
    ``grafana`` is Grafana's webhook contact point with its HMAC signature and the timestamp header
    ``X-Grafana-Alerting-Timestamp`` set: hexadecimal HMAC-SHA256 over ``<timestamp>:<body>``.

    The same request sent again gives the same identity, so the ledger knows a replay within the tolerance as a
    duplicate.

    :param headers: by lower-case name.
    :raises SignatureError: see :class:`SignatureError`.
    """
    if form is HmacFormat.GRAFANA:
        stamp = _timestamp(headers, "x-grafana-alerting-timestamp", now, tolerance)
        given = [_header(headers, "x-grafana-alerting-signature").strip().lower()]
        content, message_id = b"%s:%s" % (stamp.encode(), body), ""
    else:
        message_id = _header(headers, "webhook-id")
        if len(message_id) > _MOST_ID or not _ID.fullmatch(message_id):
            raise SignatureError("malformed", f"webhook-id has 1 to {_MOST_ID} visible characters")
        stamp = _timestamp(headers, "webhook-timestamp", now, tolerance)
        entries = _header(headers, "webhook-signature").split()[:_MOST_SIGNATURES]
        given = [value for version, _, value in (one.partition(",") for one in entries) if version == "v1"]
        content = b"%s.%s.%s" % (message_id.encode(), stamp.encode(), body)
        if not given:
            raise SignatureError("malformed", "webhook-signature has no entry of the form v1,<base64>")
    wanted = [_written(form, hmac.new(_key(form, secret), content, hashlib.sha256).digest()) for secret in secrets]
    matches = [hmac.compare_digest(one.encode("latin-1", "replace"), two.encode()) for one in given for two in wanted]
    if not any(matches):
        raise SignatureError(
            "wrong", "the signature does not fit: another secret, or the body was changed after it was signed"
        )
    return message_id or f"signed-{hashlib.sha256(content).hexdigest()[:32]}"


def sign_hmac(form: HmacFormat, body: bytes, secret: str, *, message_id: str, now: datetime) -> dict[str, str]:
    """The headers that prove a message, as :func:`verify_hmac` checks them.

    :param message_id: the message's identity; Grafana's way of signing has no place for one.
    """
    stamp = str(int(now.timestamp()))
    if form is HmacFormat.GRAFANA:
        digest = hmac.new(_key(form, secret), b"%s:%s" % (stamp.encode(), body), hashlib.sha256).digest()
        return {"x-grafana-alerting-timestamp": stamp, "x-grafana-alerting-signature": _written(form, digest)}
    content = b"%s.%s.%s" % (message_id.encode(), stamp.encode(), body)
    digest = hmac.new(_key(form, secret), content, hashlib.sha256).digest()
    signature = f"v1,{_written(form, digest)}"
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signature}


def _written(form: HmacFormat, digest: bytes) -> str:
    return digest.hex() if form is HmacFormat.GRAFANA else base64.b64encode(digest).decode()


def _key(form: HmacFormat, secret: str) -> bytes:
    if form is HmacFormat.STANDARD and secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ValueError("the secret begins with whsec_, but what follows is not base64") from error
    return secret.encode()


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise SignatureError("missing", f"there is no {name} header")
    return value


def _timestamp(headers: Mapping[str, str], name: str, now: datetime, tolerance: timedelta) -> str:
    text = _header(headers, name).strip()
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise SignatureError("malformed", f"{name} is not a time in whole seconds since 1970")
    off_seconds = now.timestamp() - int(text)
    if abs(off_seconds) > tolerance.total_seconds():
        way = "old" if off_seconds > 0 else "in the future"
        raise SignatureError(
            "stale",
            f"{name} is {abs(off_seconds):.0f} s {way}, and {tolerance.total_seconds():.0f} s are tolerated; "
            "sign each attempt anew, and let a time service set both clocks",
        )
    return text
