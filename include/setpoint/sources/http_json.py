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
    def what(self) -> str:
        """What is asked for, in words."""
        of = f" of {next(iter(self.names))}" if self.config.one_by_one else ""
        return f"GET {self.metric}{of}, {self.window.start:%FT%TZ} to {self.window.end:%FT%TZ}"

    def request(self) -> HttpRequest:
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
            what=self.what,
        )


class HttpJsonSource:
    """Reads JSON endpoints.

    :param session: the server, as the policy's connection names it.
    """

    connection_type: ClassVar[str | None] = "http"
    Config: ClassVar[type[MetricConfig]] = HttpJsonMetric
    permissions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, session: HttpSession) -> None:
        self._session = session

    def fetch(self, metrics: Mapping[str, HttpJsonMetric], targets: Sequence[str], now: datetime) -> Fetched:
        """Fetch every metric of every target, each over its own ``window_at(now)``.

        A series is an error when the endpoint refuses its request, or its answer is not of the shape the policy
        describes; it is partial when the answer says so (``partial``, 206), when it has more pages than are read, and
        when points had to be left out because their times cannot be told. A value that is no number is no value (NaN).

        :raises SourceError: the server could not be asked; retryable when it throttled, failed or did not answer in
            time.
        """
        from setpoint.sources.collected import Collected

        collected = Collected(metrics, targets, now)
        questions = list(plan(metrics, collected.targets, now))
        for answer in self._session.gather([partial(self._ask, one) for one in questions]):
            answer.add_to(collected)
        return collected.fetched()

    async def _ask(self, question: Question, http: Http) -> Answer:
        from setpoint.sources.http_json_answer import Answer

        answer, request, seen = Answer(question), question.request(), set[str]()
        if question.config.one_by_one and (problem := _path_problem(question)):
            answer.failed(problem)
            return answer
        for _ in range(MOST_PAGES):
            reply = await http.send(request)
            if not reply.ok:
                self._refused(reply, question, answer)
                return answer
            following = answer.read(reply)
            if following is None:
                return answer
            if following in seen:
                raise SourceError(
                    f"{question.what}: the same next page {following[:200]!r} came twice, its pages never end.",
                    retryable=True,
                )
            seen.add(following)
            request = _following(question, request, reply, following)
        answer.partial(
            f"there are more than {MOST_PAGES} pages; the rest is left out. Let it filter, or make larger pages"
        )
        return answer

    def _refused(self, reply: Reply, question: Question, answer: Answer) -> None:
        error = refusal(reply, self._session.name, question.what)
        if reply.status not in _OF_THE_REQUEST:
            raise error
        answer.failed(str(error))


def plan(metrics: Mapping[str, HttpJsonMetric], targets: Sequence[str], now: datetime) -> Iterator[Question]:
    """What to ask: each metric once, or once a target where the policy asks for each on its own."""
    for metric, config in metrics.items():
        names, window = config.codes_of(targets), config.window_at(now)
        parts = [{name: codes} for name, codes in names.items()] if config.one_by_one else [names] if names else []
        for part in parts:
            yield Question(metric, config, part, window)


def _following(question: Question, request: HttpRequest, reply: Reply, text: str) -> HttpRequest:
    if (param := question.config.next_param) is not None:
        kept = tuple(pair for pair in request.query if pair[0] != param)
        return replace(request, query=(*kept, (param, text)))
    try:
        url = urljoin(reply.url, text)
    except ValueError as error:
        raise SourceError(
            f"{question.what}: the next page {text[:200]!r} is no URL: {error}.", retryable=False
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
