"""``http_json``: points out of the JSON that an endpoint answers to GET, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urljoin

from setpoint.model import Window
from setpoint.sources.contract import Fetched, MetricConfig, SourceError
from setpoint.sources.http_json_metric import HttpJsonMetric
from setpoint.sources.http_messages import HttpRequest, Reply, refusal
from setpoint.sources.http_session import Http, HttpSession
from setpoint.sources.target_names import MARK

if TYPE_CHECKING:
    from setpoint.sources.http_json_answer import Answer

__all__ = ["HttpJsonMetric", "HttpJsonSource"]

MOST_PAGES = 100
"""Pages of one answer that are read; the rest is told as missing."""
_OF_THE_REQUEST = frozenset({400, 404, 405, 406, 409, 410, 413, 414, 415, 416, 422})
"""Statuses that say something of this one request; the endpoint may answer the others."""


@dataclass(frozen=True)
class Question:
    """One metric, of one target or of all."""

    metric: str
    config: HttpJsonMetric
    names: Mapping[str, Sequence[int]]
    """What the endpoint calls the targets asked for, and their places in the fleet."""
    window: Window

    @property
    def key(self) -> tuple[object, ...]:
        """What questions have in common that one answer is for: the request, and how its pages follow each other."""
        first = self.request("")
        return first.path, first.query, self.config.next, self.config.next_param

    def request(self, what: str) -> HttpRequest:
        """The request for the first page."""
        name = next(iter(self.names)) if self.config.one_by_one else ""
        filled = {
            MARK: name,
            "{start}": _rfc3339(self.window.start),
            "{end}": _rfc3339(self.window.end),
            "{start_s}": f"{self.window.start.timestamp():.0f}",
            "{end_s}": f"{self.window.end.timestamp():.0f}",
            "{start_ms}": f"{self.window.start.timestamp() * 1000:.0f}",
            "{end_ms}": f"{self.window.end.timestamp() * 1000:.0f}",
            "{period_s}": f"{self.config.period_seconds}",
        }
        return HttpRequest(
            path=quote(self.config.path, safe="/{}~!$&'()*+,;=:@%").replace(MARK, quote(name, safe="")),
            query=tuple((key, _filled(value, filled)) for key, value in self.config.params.items()),
            what=what,
        )


@dataclass(frozen=True)
class Shared:
    """Questions that have one answer: it is fetched once, and each reads its own of it."""

    questions: Sequence[Question]

    @property
    def first(self) -> Question:
        return self.questions[0]

    @property
    def what(self) -> str:
        """What is asked for, in words."""
        metrics, windows = [one.metric for one in self.questions], [one.window for one in self.questions]
        more = f" and {len(metrics) - 3} more" if len(metrics) > 3 else ""
        of = f" of {next(iter(self.first.names))}" if self.first.config.one_by_one else ""
        start, end = min(one.start for one in windows), max(one.end for one in windows)
        return f"GET {', '.join(metrics[:3])}{more}{of}, {start:%FT%TZ} to {end:%FT%TZ}"


class HttpJsonSource:
    """Reads JSON endpoints.

    :param session: the server, as the policy's connection names it.
    """

    connection_type: ClassVar[str | None] = "http"
    Config: ClassVar[type[MetricConfig]] = HttpJsonMetric
    permissions: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = (
        "ask the endpoint with path and params by hand: points, timestamp, value and target are to lead to what it "
        "answers, time_unit is to be its own, and target_name what it calls the target"
    )

    def __init__(self, session: HttpSession) -> None:
        self._session = session

    def fetch(self, metrics: Mapping[str, HttpJsonMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target, each over its own ``window_at(now)``; those with one request share it.

        A series is an error when the endpoint refuses its request, or its answer is not of the shape the policy
        describes; it is partial when the answer says so (``partial``, 206), when it has more pages than are read, and
        when points had to be left out because their times cannot be told. A value that is no number is no value (NaN).

        :raises SourceError: the server could not be asked; retryable when it throttled, failed or did not answer in
            time.
        """
        from setpoint.sources.collected import Collected

        collected = Collected(metrics, targets, now)
        shared = list(plan(metrics, collected.targets, now))
        for answers in self._session.gather([partial(self._ask, one) for one in shared]):
            for answer in answers:
                answer.add_to(collected)
        return collected.fetched()

    async def _ask(self, shared: Shared, http: Http) -> list[Answer]:
        from setpoint.sources.http_json_answer import Answer

        answers = [Answer(one) for one in shared.questions]
        if shared.first.config.one_by_one and (problem := _path_problem(shared.first)):
            for answer in answers:
                answer.failed(problem)
            return answers
        request, seen = shared.first.request(shared.what), set[str]()
        for _ in range(MOST_PAGES):
            reply = await http.send(request)
            if not reply.ok:
                why = self._refused(reply, shared)
                for answer in answers:
                    answer.failed(why)
                return answers
            # One that cannot read a page is done; where the next one is, all others say alike.
            following = [one for answer in answers if answer.readable and (one := answer.read(reply)) is not None]
            if not following:
                return answers
            if following[0] in seen:
                raise SourceError(
                    f"{shared.what}: the same next page {following[0][:200]!r} came twice, its pages never end.",
                    retryable=True,
                )
            seen.add(following[0])
            request = _following(shared, request, reply, following[0])
        for answer in answers:
            answer.partial(
                f"there are more than {MOST_PAGES} pages; the rest is left out. Let it filter, or make larger pages"
            )
        return answers

    def _refused(self, reply: Reply, shared: Shared) -> str:
        error = refusal(reply, self._session.name, shared.what)
        if reply.status not in _OF_THE_REQUEST:
            raise error
        return str(error)


def plan(metrics: Mapping[str, HttpJsonMetric], targets: Sequence[str], now: datetime) -> Iterator[Shared]:
    """What to ask: each metric once, or once a target where the policy asks for each on its own; the same only once."""
    same: dict[tuple[object, ...], list[Question]] = {}
    for metric, config in metrics.items():
        names, window = config.codes_of(targets), config.window_at(now)
        parts = [{name: codes} for name, codes in names.items()] if config.one_by_one else [names] if names else []
        for part in parts:
            question = Question(metric, config, part, window)
            same.setdefault(question.key, []).append(question)
    yield from map(Shared, same.values())


def _following(shared: Shared, request: HttpRequest, reply: Reply, text: str) -> HttpRequest:
    if (param := shared.first.config.next_param) is not None:
        kept = tuple(pair for pair in request.query if pair[0] != param)
        return replace(request, query=(*kept, (param, text)))
    try:
        url = urljoin(reply.url, text)
    except ValueError as error:
        raise SourceError(
            f"{shared.what}: the next page {text[:200]!r} is no URL: {error}.", retryable=False
        ) from error
    return replace(request, path=url, query=())


def _path_problem(question: Question) -> str:
    name = next(iter(question.names))
    alone = any(part.replace(MARK, name) in (".", "..") for part in question.config.path.split("/") if MARK in part)
    return f"not asked for: {name!r} cannot be part of a path" if alone else ""


def _filled(text: str, filled: Mapping[str, str]) -> str:
    """A text with its placeholders filled in once: what is filled in may look like one, and stays as it is."""
    return re.sub("|".join(map(re.escape, filled)), lambda match: filled[match[0]], text)


def _rfc3339(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
