"""Is this from Amazon SNS? Verifies the signature of what SNS posts over HTTP(S), and of its subscription messages.

Formats: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
Verification: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html

Nothing of the message is believed before the signature is checked, except its topic, and that only to refuse: the
certificate is fetched from the one host that the *configured* topic's region has, over TLS, and from nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from setpoint.events.signatures import SignatureError
from setpoint.model.base import Value

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MOST_AGE = timedelta(hours=2)
"""SNS tries an HTTP(S) endpoint for an hour at most (developer guide, "message delivery retries").
The ledger knows a message at least this long, so that none counts twice."""
MOST_AHEAD = timedelta(minutes=5)

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
_TOKEN = re.compile(r"[A-Za-z0-9]{1,1024}")


class SnsMessage(Value):
    """What SNS said, proven."""

    type: str
    message_id: str
    topic: str
    confirm_url: str | None
    """Of a ``SubscriptionConfirmation``: the address that confirms it, made from the signed topic and token."""


def verify_sns(
    message: Mapping[str, Any],
    topics: Collection[str],
    *,
    now: datetime,
    certificate: Callable[[str], Certificate],
) -> SnsMessage:
    """Check a message that was posted as SNS's.

    :param message: the JSON object of the body.
    :param topics: the ARNs of the topics that are configured; every other is refused.
    :param certificate: fetches a certificate by its URL, which has been checked; it raises ``SignatureError`` itself.
    :raises SignatureError: it is not, or not of these topics, or too old.
    """
    kind, topic = message.get("Type"), message.get("TopicArn")
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise SignatureError(
            "missing",
            "this is no SNS message: Type is none of Notification, SubscriptionConfirmation, UnsubscribeConfirmation. "
            "Raw message delivery is not signed; turn it off for this subscription",
        )
    if not isinstance(topic, str) or topic not in topics:
        raise SignatureError("topic", "the message's topic is not one that is configured for this sender")
    host = _host(topic)
    key = certificate(_certificate_url(message.get("SigningCertURL"), host))
    _check_certificate(key, now)
    _check_signature(message, kind, key)
    _check_age(message["Timestamp"], now)
    return SnsMessage(
        type=kind,
        message_id=message["MessageId"],
        topic=topic,
        confirm_url=_confirm_url(message, topic, host) if kind == "SubscriptionConfirmation" else None,
    )


def _host(topic: str) -> str:
    partition, region = topic.split(":")[1], topic.split(":")[3]
    return f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"


def _certificate_url(url: object, host: str) -> str:
    start = f"https://{host}"
    if not isinstance(url, str) or not url.startswith(start) or not _CERTIFICATE.fullmatch(url.removeprefix(start)):
        raise SignatureError("malformed", f"SigningCertURL is not {start}/SimpleNotificationService-….pem")
    return url


def _check_certificate(key: Certificate, now: datetime) -> None:
    if not key.not_valid_before_utc <= now <= key.not_valid_after_utc:
        raise SignatureError("stale", "the certificate that SigningCertURL names is not valid now")


def _check_signature(message: Mapping[str, Any], kind: str, key: Certificate) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    # Version 1 is SHA-1, which SNS still sends unless the topic's SignatureVersion is 2.
    known: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303
    algorithm = known.get(str(message.get("SignatureVersion")))
    if algorithm is None:
        raise SignatureError("malformed", "SignatureVersion is neither 1 nor 2")
    try:
        signature = base64.b64decode(str(message.get("Signature") or ""), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("malformed", "Signature is not base64") from None
    public = key.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise SignatureError("malformed", "the certificate holds no RSA key")
    try:
        public.verify(signature, _string_to_sign(message, kind), padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise SignatureError("wrong", "the signature does not fit the message") from None


def _string_to_sign(message: Mapping[str, Any], kind: str) -> bytes:
    lines = []
    for name in _SIGNED[kind]:
        value = message.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            raise SignatureError("malformed", f"{name} is missing, or no text")
        lines += [name, value]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _check_age(text: str, now: datetime) -> None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SignatureError("malformed", "Timestamp is no ISO 8601 time") from None
    age = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not -MOST_AHEAD <= age <= MOST_AGE:
        raise SignatureError("stale", f"the message's Timestamp is {age.total_seconds():.0f} s ago")


def _confirm_url(message: Mapping[str, Any], topic: str, host: str) -> str:
    # Made anew rather than taken from SubscribeURL: what we fetch is never an address from outside.
    token = message["Token"]
    if not _TOKEN.fullmatch(token):
        raise SignatureError("malformed", "Token is not of letters and digits")
    return f"https://{host}/?{urlencode({'Action': 'ConfirmSubscription', 'TopicArn': topic, 'Token': token})}"
