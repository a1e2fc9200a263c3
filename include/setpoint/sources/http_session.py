"""Asking an HTTP server for metrics: a base URL, credentials, and a limit on everything it may cost.

Requests of one fetch are under way at the same time, on an event loop of their own: so one deadline covers all of them,
and a fetch that is interrupted leaves neither a thread nor a connection behind. httpx, as it stands for everything
else here that speaks HTTP.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from setpoint.sources.contract import SourceError
from setpoint.sources.http_messages import MIB, HttpLimits, HttpRequest, Reply, same_origin
from setpoint.sources.interruptible import run_interruptibly

if TYPE_CHECKING:
    import ssl

    import httpx

T = TypeVar("T")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True)
class HttpSession:
    """How a server is spoken to; holds no connection of its own.

    :param base_url: scheme, host, port, and the path that every request's own is put behind.
    :param name: the connection's name, for messages.
    :param login: name and password, sent as basic authentication.
    :param verify: whether the server's certificate is checked; or the file or folder of the authorities to trust.
    :param certificate: the client's own certificate: one file, or certificate and key.
    :param proxy: a proxy's URL.
    :param trust_env: whether the environment's ``HTTPS_PROXY`` and its kin are heeded.
    """

    base_url: str
    name: str = "http"
    login: tuple[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True
    certificate: tuple[str, ...] = ()
    proxy: str | None = field(default=None, repr=False)
    trust_env: bool = False
    limits: HttpLimits = field(default_factory=HttpLimits)

    def gather(self, jobs: Sequence[Callable[[Http], Awaitable[T]]]) -> list[T]:
        """Do several pieces of work, a few at once; the first that fails ends all.

        :param jobs: each is given what sends requests.
        :returns: what the jobs returned, in their order.
        :raises SourceError: a job raised it, or the whole lasted longer than ``fetch_seconds``.
        """
        return run_interruptibly(self._gather(jobs)) if jobs else []

    async def _gather(self, jobs: Sequence[Callable[[Http], Awaitable[T]]]) -> list[T]:
        turn = asyncio.Semaphore(self.limits.at_once)

        async def do(job: Callable[[Http], Awaitable[T]], http: Http) -> T:
            async with turn:
                return await job(http)

        try:
            async with asyncio.timeout(self.limits.fetch_seconds), self._client() as client:
                http = Http(self, client)
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(do(job, http)) for job in jobs]
                return [task.result() for task in tasks]
        except TimeoutError:
            raise SourceError(
                f"{self.base_url} (connection {self.name}) did not answer everything within "
                f"{self.limits.fetch_seconds:g} s. Ask for less (fewer metrics, a shorter window), or look why it is "
                "slow.",
                retryable=True,
            ) from None
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from group_error

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        import httpx

        limits = self.limits
        async with httpx.AsyncClient(
            auth=self.login,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": _agent(), **self.headers},
            verify=self._tls() if self.base_url.startswith("https:") else False,
            proxy=self.proxy,
            trust_env=self.trust_env,
            timeout=httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds),
            limits=httpx.Limits(max_connections=limits.at_once, max_keepalive_connections=limits.at_once),
            follow_redirects=False,
        ) as client:
            yield client

    def _tls(self) -> ssl.SSLContext:
        import ssl
        from pathlib import Path

        import httpx

        try:
            if isinstance(self.verify, str):
                folder = Path(self.verify).is_dir()
                context = ssl.create_default_context(
                    cafile=None if folder else self.verify, capath=self.verify if folder else None
                )
            else:
                context = httpx.create_ssl_context(verify=self.verify, trust_env=self.trust_env)
            if self.certificate:
                context.load_cert_chain(*self.certificate)
        except (OSError, ssl.SSLError) as error:
            raise SourceError(
                f"connection {self.name}: its certificates cannot be used: {error}. Let verify and cert in its extra "
                "name PEM files that every worker sees.",
                retryable=False,
            ) from error
        return context


class Http:
    """What a job sends its requests with."""

    def __init__(self, session: HttpSession, client: httpx.AsyncClient) -> None:
        self._session = session
        self._client = client
        self._bytes = 0

    async def send(self, request: HttpRequest) -> Reply:
        """Send a request, and again when the server answers that it passes, or breaks off.

        :returns: the last answer, whatever its status.
        :raises SourceError: no answer; one that is too large; a redirect to somewhere else.
        """
        limits = self._session.limits
        for attempt in range(1, limits.attempts + 1):
            pause = limits.pause_seconds * 2 ** (attempt - 1)
            try:
                reply = await self._follow(request)
            except SourceError as error:
                if attempt == limits.attempts or not error.retryable:
                    raise
            else:
                asked = _seconds(reply.retry_after)
                if reply.status not in request.again_on or attempt == limits.attempts or asked > limits.read_seconds:
                    return reply
                pause = max(pause, asked)
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _follow(self, request: HttpRequest) -> Reply:
        url = self.url_of(request)
        for _ in range(_MOST_REDIRECTS + 1):
            reply, location = await self._once(request, url)
            if reply.status not in _REDIRECTS:
                return reply
            followed = urljoin(url, location)
            if request.method != "GET" or not same_origin(followed, self._session.base_url):
                raise SourceError(
                    f"{request.what}: {url} (connection {self._session.name}) redirects to {followed!r}. Credentials "
                    "and questions are not carried elsewhere: let the connection name the final address.",
                    retryable=False,
                )
            url = followed
        raise SourceError(f"{request.what}: {url} redirects more than {_MOST_REDIRECTS} times.", retryable=False)

    def url_of(self, request: HttpRequest) -> str:
        """The whole URL of a request.

        :raises SourceError: it is not of the server the connection names.
        """
        base = self._session.base_url
        url = request.path if "://" in request.path else f"{base.rstrip('/')}/{request.path.lstrip('/')}"
        if not same_origin(url, base):
            raise SourceError(
                f"{request.what}: {url!r} is not on {base} (connection {self._session.name}); it is not asked.",
                retryable=False,
            )
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(request.query)}" if request.query else url

    async def _once(self, request: HttpRequest, url: str) -> tuple[Reply, str]:
        import httpx

        body: dict[str, Any] = {}
        if request.method == "POST":
            body = {
                "content": urlencode(request.form).encode(),
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            }
        try:
            async with self._client.stream(request.method, url, **body) as answer:
                content = await self._content(answer, request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            wrong_url = isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol))
            todo = "Correct its host" if wrong_url else "Look whether it runs and can be reached from here"
            raise SourceError(
                f"{request.what}: no answer from {url} (connection {self._session.name}): "
                f"{str(error) or type(error).__name__}. {todo}.",
                retryable=not wrong_url,
            ) from error
        headers = answer.headers
        return Reply(answer.status_code, content, url, headers.get("Retry-After", "")), headers.get("Location", "")

    async def _content(self, answer: httpx.Response, request: HttpRequest) -> bytes:
        limits, encoding = self._session.limits, answer.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
            raise SourceError(
                f"{request.what}: the answer is encoded as {encoding!r}; gzip was asked for.", retryable=False
            )
        unpack = None if encoding == "identity" else zlib.decompressobj(_GZIP_OR_ZLIB)
        parts: list[bytes] = []
        room = min(limits.reply_bytes, limits.fetch_bytes - self._bytes)
        async for chunk in answer.aiter_raw():
            # One byte more than there is room for tells too large from just fitting.
            part = chunk[: room + 1] if unpack is None else _unpacked(unpack, chunk, room + 1, request)
            room -= len(part)
            self._bytes += len(part)
            if room < 0:
                raise SourceError(
                    f"{request.what}: the answer is larger than {limits.reply_bytes // MIB} MiB (or all answers "
                    f"together than {limits.fetch_bytes // MIB} MiB). Ask for less: only the fleet's own series, a "
                    "shorter window, a longer period.",
                    retryable=False,
                )
            parts.append(part)
        if unpack is not None and parts and not unpack.eof:
            raise SourceError(f"{request.what}: the compressed answer breaks off.", retryable=True)
        return b"".join(parts)


def _unpacked(unpack: Any, chunk: bytes, at_most: int, request: HttpRequest) -> bytes:
    try:
        return bytes(unpack.decompress(chunk, at_most))
    except zlib.error as error:
        raise SourceError(f"{request.what}: the compressed answer cannot be read: {error}.", retryable=True) from error


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _agent() -> str:
    from setpoint import __version__

    return f"setpoint/{__version__}"
