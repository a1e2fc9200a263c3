"""Certificates of Amazon SNS, fetched once each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from setpoint.events.rates import TokenBucket
from setpoint_airflow.webhook.secrets import NotReadyError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Fetch = Callable[[str], bytes]
"""Gets what is at an address; raises ``OSError``."""

FETCH_SECONDS = 5.0
MOST_BYTES = 16 * 1024
MOST_KEPT = 32
AGAIN_SECONDS = 60.0
"""How long an address that gave no certificate is not asked again."""


def fetch(url: str) -> bytes:
    """GET an address of Amazon SNS: 5 s at most, 16 KiB at most, no redirect.

    :raises OSError: it does not answer, or not with 200, or with too much.
    """
    import httpx

    try:
        with (
            httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False) as client,
            client.stream("GET", url) as answer,
        ):
            content = b""
            for part in answer.iter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise OSError(f"{answer.url.host} answers with more than {MOST_BYTES} bytes")
            if answer.status_code != httpx.codes.OK:
                raise OSError(f"{answer.url.host} answers with status {answer.status_code}")
            return content
    except httpx.HTTPError as error:
        raise OSError(f"{httpx.URL(url).host} does not answer: {str(error) or type(error).__name__}") from error


class Certificates:
    """Remembers certificates by their address. Who posts nonsense cannot make us ask SNS more than now and then.

    :param fetch: gets what is at an address.
    """

    def __init__(self, fetch: Fetch, *, clock_seconds: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock_seconds = clock_seconds
        self._kept: dict[str, Certificate] = {}
        self._failed: dict[str, float] = {}
        self._rate = TokenBucket(per_minute=30, burst=10)
        self._lock = threading.Lock()

    def get(self, url: str) -> Certificate:
        """The certificate at an address that was checked to be one of SNS's.

        :raises NotReadyError: there is none now. SNS tries again.
        """
        with self._lock:
            if (kept := self._kept.get(url)) is not None:
                return kept
            now = self._clock_seconds()
            if self._failed.get(url, now) > now or self._rate.take(now):
                raise _none_there("it was asked for a moment ago, and was not there")
            try:
                found = _read(self._fetch(url))
            except (OSError, ValueError) as error:
                if len(self._failed) >= MOST_KEPT:
                    self._failed.clear()
                self._failed[url] = now + AGAIN_SECONDS
                raise _none_there(str(error)) from error
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[url] = found
            return found


def _read(pem: bytes) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem)


def _none_there(why: str) -> NotReadyError:
    return NotReadyError(f"the certificate that SigningCertURL names cannot be had: {why}")
