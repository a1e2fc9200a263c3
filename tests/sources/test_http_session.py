"""What an HTTP server may cost: time, bytes, tries; and where it can lead."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from worlds.answering import Answered, AnsweringServer, as_json

from setpoint.sources.contract import SourceError
from setpoint.sources.http_messages import HttpLimits, HttpRequest, Reply, refusal, same_origin
from setpoint.sources.http_session import HttpSession

QUICK = HttpLimits(
    connect_seconds=5, read_seconds=5, fetch_seconds=30, attempts=3, pause_seconds=0.01, reply_bytes=10_000
)


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    """A server that answers ``{}``."""
    with AnsweringServer(lambda asked: Answered()) as started:
        yield started


def send(server: AnsweringServer, limits: HttpLimits = QUICK, **keys: Any) -> Reply:
    session_keys = {key: keys.pop(key) for key in ("login", "headers") if key in keys}
    session = HttpSession(f"{server.url}/base/", name="test", limits=limits, **session_keys)
    request = HttpRequest(**{"path": "/a/b", "what": "the test", **keys})
    (reply,) = session.gather([lambda http: http.send(request)])
    return reply


def test_a_request_goes_below_the_base_with_everything_escaped(server: AnsweringServer) -> None:
    """Path, query, credentials and headers arrive as they were meant."""
    send(server, query=(("q", "a&b=c d/é"), ("q", "2")), login=("me", "se:cret"), headers={"X-Scope-OrgID": "one"})
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", "/base/a/b?q=a%26b%3Dc+d%2F%C3%A9&q=2")
    assert (asked.headers["Authorization"], asked.headers["X-Scope-OrgID"]) == ("Basic bWU6c2U6Y3JldA==", "one")


def test_a_form_is_posted(server: AnsweringServer) -> None:
    """POST carries the form, escaped."""
    send(server, method="POST", form=(("query", 'up{a="b"}'), ("step", "60")))
    assert server.asked[0].body == "query=up%7Ba%3D%22b%22%7D&step=60"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again(server: AnsweringServer, status: int) -> None:
    """Two refusals that pass, then an answer: the answer counts."""
    server.answer = lambda asked: Answered(status=status if len(server.asked) < 3 else 200)
    assert send(server).status == 200
    assert len(server.asked) == 3


def test_what_stays_is_handed_over(server: AnsweringServer) -> None:
    """After the last attempt the answer is what it is."""
    server.answer = lambda asked: as_json({"no": 1}, 503)
    assert send(server).status == 503
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_what_does_not_pass_is_asked_once(server: AnsweringServer, status: int) -> None:
    """An answer that will be the same again is not asked for again."""
    server.answer = lambda asked: Answered(status=status)
    assert send(server).status == status
    assert len(server.asked) == 1


def test_a_long_retry_after_is_not_waited_for(server: AnsweringServer) -> None:
    """Asked to wait an hour: the answer is handed over at once, and says so."""
    server.answer = lambda asked: Answered(status=429, headers={"Retry-After": "3600"})
    reply = send(server)
    assert len(server.asked) == 1
    assert "asks to wait 3600 s" in str(refusal(reply, "test", "the test"))


def test_nobody_there_is_retryable() -> None:
    """A server that is down may be up later; the message names URL and connection."""
    session = HttpSession("http://127.0.0.1:1", name="metrics_eu", limits=QUICK)
    with pytest.raises(SourceError, match=r"no answer from http://127.0.0.1:1/x \(connection metrics_eu\)") as raised:
        session.gather([lambda http: http.send(HttpRequest("x", "the test"))])
    assert raised.value.retryable


def test_a_large_answer_is_not_read_to_its_end(server: AnsweringServer) -> None:
    """The limit holds for what comes, whatever Content-Length says."""
    server.answer = lambda asked: Answered(b"x" * 10_001)
    with pytest.raises(SourceError, match="larger than") as raised:
        send(server)
    assert not raised.value.retryable
    server.answer = lambda asked: Answered(b"x" * 10_000)
    assert len(send(server).content) == 10_000


def test_the_limit_holds_for_all_answers_together(server: AnsweringServer) -> None:
    """Many answers that are each small enough can be too much together."""
    server.answer = lambda asked: Answered(b"x" * 4_000)
    session = HttpSession(server.url, limits=HttpLimits(fetch_bytes=10_000, at_once=1))
    with pytest.raises(SourceError, match="larger than"):
        session.gather([lambda http: http.send(HttpRequest("x", "the test"))] * 3)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_compression_is_undone_and_bounded(server: AnsweringServer, pack: Any) -> None:
    """A packed answer is read; one that unpacks to a thousand times its size is stopped at the limit."""
    encoding = "gzip" if pack is gzip.compress else "deflate"
    server.answer = lambda asked: Answered(pack(b"[1, 2]"), headers={"Content-Encoding": encoding})
    assert send(server).content == b"[1, 2]"
    server.answer = lambda asked: Answered(pack(b"0" * 10_000_000), headers={"Content-Encoding": encoding})
    with pytest.raises(SourceError, match="larger than"):
        send(server)


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (gzip.compress(b"[1, 2]" * 100, mtime=0)[:-9], "gzip", "breaks off"),
        (b"not gzip", "gzip", "cannot be read"),
        (b"x", "br", "encoded as 'br'"),
    ],
)
def test_broken_compression_is_no_answer(server: AnsweringServer, body: bytes, encoding: str, said: str) -> None:
    """What is cut off, or packed otherwise than asked for, is never taken for the whole."""
    server.answer = lambda asked: Answered(body, headers={"Content-Encoding": encoding})
    with pytest.raises(SourceError, match=said):
        send(server)


def test_an_answer_that_breaks_off_is_no_answer(server: AnsweringServer) -> None:
    """Fewer bytes than Content-Length promises: the beginning is not used."""
    server.answer = lambda asked: Answered(chunks=(b'{"a":', b"1}"), pause=lambda: server.asked and _fail_after_one())
    calls: list[int] = []

    def _fail_after_one() -> None:
        calls.append(1)
        if len(calls) % 2 == 0:
            raise ConnectionError("cut")

    with pytest.raises(SourceError, match="no answer") as raised:
        send(server)
    assert raised.value.retryable


def test_a_trickle_ends_at_the_deadline(server: AnsweringServer) -> None:
    """A byte now and then keeps each wait short; the deadline of the whole ends it all the same."""
    ended = threading.Event()
    server.answer = lambda asked: Answered(chunks=(b" ",) * 2_000, pause=lambda: ended.wait(0.05))
    try:
        with pytest.raises(SourceError, match=r"did not answer everything within 0\.5 s") as raised:
            send(server, HttpLimits(read_seconds=5, fetch_seconds=0.5))
    finally:
        ended.set()
    assert raised.value.retryable


def test_a_redirect_on_the_same_server_is_followed(server: AnsweringServer) -> None:
    """A path that moved is found."""
    server.answer = lambda asked: (
        Answered(b"[]") if asked.target == "/new" else Answered(status=307, headers={"Location": "/new"})
    )
    assert send(server).content == b"[]"


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/x", "https://elsewhere.example/", "//elsewhere.example/x", "file:///etc/passwd"]
)
def test_a_redirect_elsewhere_is_refused(server: AnsweringServer, location: str) -> None:
    """Neither the question nor the credentials go to another server; not even to another port."""
    server.answer = lambda asked: Answered(status=302, headers={"Location": location})
    with pytest.raises(SourceError, match="redirects to") as raised:
        send(server, login=("me", "secret"))
    assert not raised.value.retryable
    assert len(server.asked) == 1


def test_redirects_in_a_circle_end(server: AnsweringServer) -> None:
    """A server that sends one around is left."""
    server.answer = lambda asked: Answered(status=302, headers={"Location": "/base/a/b"})
    with pytest.raises(SourceError, match="redirects more than"):
        send(server)


def test_a_posted_form_is_not_redirected(server: AnsweringServer) -> None:
    """A redirected POST may become a GET without its question, so the address is to be corrected."""
    server.answer = lambda asked: Answered(status=301, headers={"Location": "/new"})
    with pytest.raises(SourceError, match="name the final address"):
        send(server, method="POST")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://a.example/x", True),
        ("https://A.example:443/x", True),
        ("https://a.example:8443/x", False),
        ("http://a.example/x", False),
        ("https://a.example.evil.example/x", False),
        ("https://a.example@evil.example/x", False),
        ("https://me:pw@a.example/x", False),
        ("https://a.example:x/", False),
        ("//a.example/x", False),
        ("javascript:alert(1)", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, same: bool) -> None:
    """What only looks alike is another server."""
    assert same_origin(url, "https://a.example") is same


def test_the_first_failure_ends_all(server: AnsweringServer) -> None:
    """One job's error comes out as it is, and the others are not waited for."""
    server.hang()

    async def fails(http: Any) -> Reply:
        raise SourceError("enough", retryable=False)

    session = HttpSession(server.url, limits=HttpLimits())
    with pytest.raises(SourceError, match="enough"):
        session.gather([lambda http: http.send(HttpRequest("x", "the test")), fails])


def test_nothing_to_do_asks_nobody() -> None:
    """No jobs, no client, no answers."""
    assert HttpSession("http://127.0.0.1:1").gather([]) == []


def test_certificates_that_are_not_there_are_told() -> None:
    """The connection is named, and where its certificates are set."""
    session = HttpSession("https://127.0.0.1:1", name="metrics_eu", verify="/nowhere/ca.pem")
    with pytest.raises(SourceError, match="connection metrics_eu: its certificates cannot be used"):
        session.gather([lambda http: http.send(HttpRequest("x", "the test"))])


def test_secrets_are_not_shown() -> None:
    """What describes a session, in a log or a traceback, holds no password, token or proxy's credentials."""
    session = HttpSession(
        "http://a.example",
        login=("me", "hush-1"),
        headers={"Authorization": "Bearer hush-2"},
        proxy="http://u:hush-3@p",
    )
    assert "hush" not in repr(session)
