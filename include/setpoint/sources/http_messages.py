"""A request over HTTP, its answer, what both may cost, and what an answer that is none amounts to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

from setpoint.sources.contract import SourceError

MIB = 1024 * 1024
PASSING = frozenset({429, 502, 503, 504})
"""What a server answers that may answer the same request a moment later (RFC 9110, 15.6; RFC 6585, 4)."""


@dataclass(frozen=True)
class HttpLimits:
    """What a fetch may cost. Sizes count after decompression."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    """Without a byte for so long, a request is given up."""
    fetch_seconds: float = 60.0
    """All requests of a fetch together, repetitions included."""
    attempts: int = 3
    pause_seconds: float = 0.5
    """Before the second attempt; twice as long before each further one."""
    reply_bytes: int = 32 * MIB
    fetch_bytes: int = 256 * MIB
    at_once: int = 4


@dataclass(frozen=True)
class HttpRequest:
    """One request. Nothing in it is read as a template; ``path`` is sent as it stands, ``query`` and ``form`` escaped.

    :param path: below the base URL, escaped where it needs to be; or a whole URL of the same origin.
    :param what: what is asked for, in words, for messages.
    """

    path: str
    what: str
    method: Literal["GET", "POST"] = "GET"
    query: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] = ()
    again_on: frozenset[int] = PASSING
    """The statuses after which it is sent again."""


@dataclass(frozen=True)
class Reply:
    """What the server answered in the end, whatever the status."""

    status: int
    content: bytes
    url: str
    """Where it came from: a link in it is relative to this."""
    retry_after: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @cached_property
    def document(self) -> Any:
        """The answer read as JSON, once for all who ask.

        :raises ValueError: it is none.
        """
        return json.loads(self.content)

    def excerpt(self, characters: int = 200) -> str:
        """The beginning of the answer, for messages; one line."""
        return " ".join(self.content[: characters * 4].decode("utf-8", "replace").split())[:characters]


def refusal(reply: Reply, connection: str, what: str, *, said: str = "") -> SourceError:
    """What an answer that is none amounts to, as an error that says what to do.

    :param connection: the name of the connection that was used.
    :param what: what was asked for.
    :param said: the server's own words; without, the beginning of its answer.
    """
    words = said or reply.excerpt() or "nothing more"
    todo, retryable = _todo(reply, connection)
    where = f"{reply.url.partition('?')[0]} (connection {connection})"
    return SourceError(f"{what}: {where} answered {reply.status}: {words}. {todo}", retryable=retryable)


def _todo(reply: Reply, connection: str) -> tuple[str, bool]:
    status = reply.status
    if status in (401, 403):
        return f"Give the connection {connection} credentials that may read metrics.", False
    if status == 404:
        return f"Correct the host (and path) of the connection {connection}, or the path in the policy.", False
    if status in (408, 429):
        after = f" (it asks to wait {reply.retry_after} s)" if reply.retry_after else ""
        return f"It is asked too often{after}: let fewer policies ask, or less often.", True
    if status >= 500:
        return "It is the server's own trouble: look there; the next try may succeed.", True
    return "Correct what the policy asks for.", False


def same_origin(url: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port, and the first carries no credentials of its own."""
    try:
        one, two = urlsplit(url), urlsplit(other)
        standard = {"http": 80, "https": 443}
        same = (one.scheme, one.hostname, one.port or standard.get(one.scheme)) == (
            two.scheme,
            two.hostname,
            two.port or standard.get(two.scheme),
        )
    except ValueError:
        return False
    return same and one.scheme in standard and "@" not in one.netloc
