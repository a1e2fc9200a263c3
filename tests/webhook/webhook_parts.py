"""What the webhook's tests are made of: senders, policies, an Amazon SNS that signs, a server on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from setpoint.ledger import Ledger
from setpoint.stack.ports import LOOPBACK, free_port

TOKEN = "a-token-of-thirty-two-characters"
SIGNING_KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
GRAFANA_KEY = "what-grafana-signs-with"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"

SENDERS = f"""\
version: 1
senders:
  tool: {{auth: bearer, per_minute: 60, burst: 5}}
  ci: {{auth: hmac, connection: webhook_ci}}
  grafana: {{auth: hmac, format: grafana}}
  aws: {{auth: sns, topics: ["{TOPIC}"]}}
  forgotten: {{auth: bearer}}
"""

POLICY = """\
version: 1
name: {name}
owner: tests
targets: {{kind: aws.autoscaling_group, region: eu-west-1, names: [{name}-group]}}
triggers: {{events: [{triggers}]}}
metrics:
  cpu: {{source: aws.cloudwatch, namespace: T, name: cpu, statistic: Average, period: 60s, window: 10m}}
scale: {{strategy: threshold, signal: {{metric: cpu}}, out: {{above: 70, for: 3 of 5, add: 1}}}}
limits: {{min: 1, max: 9}}
feedback: {{after: 5m, healthy: {{cpu: {{max: 90}}}}}}
"""


class Sns:
    """Amazon SNS, as far as its signatures go."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.fetched: list[str] = []
        self.down = False

    def pem(self, *, since: datetime | None = None, days: int = 30) -> bytes:
        """A certificate of its key."""
        since = since or datetime.now(UTC) - timedelta(days=1)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(since)
            .not_valid_after(since + timedelta(days=days))
            .sign(self._key, hashes.SHA256())
        )
        return built.public_bytes(serialization.Encoding.PEM)

    def fetch(self, url: str) -> bytes:
        """What is at an address."""
        self.fetched.append(url)
        if self.down:
            raise OSError("connection refused")
        return self.pem()

    def sign(self, message: dict[str, Any], version: str = "2") -> dict[str, Any]:
        """The message with SNS's signature: the fields that the documentation lists, in their order."""
        names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        return {
            **message,
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": CERTIFICATE_URL,
        }

    def notification(self, published: dict[str, Any] | str, version: str = "2", **changes: Any) -> dict[str, Any]:
        """A notification as SNS posts it."""
        message = {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Subject": "ALARM",
            "Message": published if isinstance(published, str) else json.dumps(published),
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z",
            **changes,
        }
        return self.sign(message, version) | {"UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=…"}

    def confirmation(self, **changes: Any) -> dict[str, Any]:
        """What SNS posts first to a new subscription."""
        message = {
            "Type": "SubscriptionConfirmation",
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            "Token": "2336412f37",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": "https://evil.example/?Token=2336412f37",
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z",
            **changes,
        }
        return self.sign(message)


@dataclass
class Webhook:
    """The webhook, and what a test sees of what it did."""

    url: str
    ledger: Ledger
    senders_file: Path
    woken: list[str] = field(default_factory=list)
    clock: list[float] = field(default_factory=lambda: [0.0])

    def post(self, sender: str, body: Any, **headers: str) -> httpx.Response:
        """POST a body, JSON unless it is text or bytes; a header's ``_`` is a dash."""
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(
            f"{self.url}/events/{sender}",
            content=content,
            headers={"Content-Type": "application/json", **named},
            trust_env=False,
            timeout=30,
        )

    def with_token(self, body: Any, **headers: str) -> httpx.Response:
        """POST as the sender that has a token."""
        return self.post("tool", body, Authorization=f"Bearer {TOKEN}", **headers)


def standard_signature(body: bytes, message_id: str, at: datetime, key: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks, made as its specification says."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class served:
    """Serves an ASGI application on loopback for the length of a ``with`` block."""

    def __init__(self, app: Any) -> None:
        self._port = free_port()
        config = uvicorn.Config(app, host=LOOPBACK, port=self._port, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        until(lambda: self._server.started, "uvicorn to listen")
        return f"http://{LOOPBACK}:{self._port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=30)


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what} in vain"
        time.sleep(0.02)
    return answer
