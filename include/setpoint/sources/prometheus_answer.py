"""What ``query_range`` answered: as columns, and as a word on every series. Imported inside functions: numpy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from setpoint.sources.collected import Collected, Microseconds, Values
from setpoint.sources.contract import SourceError
from setpoint.sources.http_messages import HttpRequest, Reply, refusal

if TYPE_CHECKING:
    from setpoint.sources.prometheus import Piece

_OF_THE_QUERY = {
    "bad_data": "Correct query in the policy; `promtool check` and the server's own page read it the same way.",
    "execution": "Prometheus cannot evaluate it: correct query in the policy, or let it ask for less.",
    "not_acceptable": "Prometheus cannot answer this in JSON: correct query in the policy.",
}
"""``errorType`` of what is wrong with one query only (``web/api/v1/api.go``), and what to do. Else it is the server."""
_MICROSECONDS = 1_000_000
_LAST_SECOND = 253_402_300_800  # the year 10000


@dataclass
class OneSeries:
    """The series of one label value."""

    times: Microseconds
    values: Values
    problem: str = ""
    """Why it cannot be used."""
    strays: int = 0
    """Points at times nobody asked for; they are left out."""


@dataclass
class Matrix:
    """The answer to one query."""

    series: dict[str, OneSeries] = field(default_factory=dict)
    """Those asked for, by the value of the label that names targets; the empty text stands for no such label."""
    labelled: bool = False
    """Whether any series has the label."""
    refused: str = ""
    """Why this query has no answer, where others may have."""
    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)


def read_answer(reply: Reply, connection: str, request: HttpRequest, piece: Piece) -> Matrix:
    """Read one answer.

    :raises SourceError: it is no answer to any query: the server failed, refused, or is no Prometheus.
    """
    body = _json(reply)
    if not reply.ok or body.get("status") != "success":
        return _refused(reply, body, connection, request)
    data = body.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
        raise _no_prometheus(reply, connection, request)
    matrix = Matrix(warnings=_texts(body.get("warnings")), infos=_texts(body.get("infos")))
    if body.get("isPartial") is True:  # VictoriaMetrics, when a storage node did not answer
        matrix.warnings.append("the server says that its answer is partial")
    try:
        for one in data["result"]:
            _add(matrix, one, piece)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise _no_prometheus(reply, connection, request) from error
    return matrix


def collect(collected: Collected, piece: Piece, answers: Sequence[Matrix]) -> None:
    """Add what was answered to one piece.

    :param answers: to its query, and to those that say where there were samples.
    """
    everyone = np.array([code for codes in piece.names.values() for code in codes], np.int64)
    for answer in answers:
        for text in answer.warnings:
            collected.partial(piece.metric, f"Prometheus warns: {text}", everyone)
        for text in answer.infos:
            collected.remark(piece.metric, f"Prometheus remarks: {text}")
        if answer.refused:
            collected.failed(piece.metric, answer.refused, everyone)
            return
    answer, present = answers[0], answers[1:]
    if "" in answer.series and not answer.labelled:
        label = piece.config.label
        text = f"no series of the answer has a label {label}; let the query keep it, such as avg by ({label}) (...)"
        collected.failed(piece.metric, text, everyone)
        return
    for name, codes in piece.names.items():
        if (one := answer.series.get(name)) is not None:
            _add_series(collected, piece, name, np.array(codes, np.int64), _with_samples(one, name, present))


def _add_series(
    collected: Collected, piece: Piece, name: str, codes: npt.NDArray[np.int64], found: tuple[OneSeries, int]
) -> None:
    one, old = found
    if one.problem:
        collected.failed(piece.metric, one.problem, codes)
        return
    if one.strays:
        text = f"{one.strays} points at times that were not asked for are left out"
        collected.partial(piece.metric, text, codes)
    if old:
        text = f"{old} points are left out: in their periods came no sample, Prometheus reckoned them from older ones"
        collected.remark(piece.metric, text, codes)
    for code in codes:
        collected.add(piece.metric, one.times, np.full(len(one.times), code, np.int64), one.values)


def _with_samples(one: OneSeries, name: str, present: Sequence[Matrix]) -> tuple[OneSeries, int]:
    """A series without the points of periods in which a selector had no sample, and how many those were."""
    there = np.ones(len(one.times), bool)
    for matrix in present:
        # A selector without the label (what a join brings in) speaks for all targets.
        samples = matrix.series.get(name) or matrix.series.get("")
        there &= np.isin(one.times, samples.times) if samples else np.zeros(len(one.times), bool)
    kept = OneSeries(one.times[there], one.values[there], one.problem, one.strays)
    return kept, int((~there).sum())


def _add(matrix: Matrix, one: Mapping[str, Any], piece: Piece) -> None:
    labels = one["metric"]
    name = str(labels.get(piece.config.label, ""))
    matrix.labelled |= bool(name)
    if name and name not in piece.names:
        return
    if name in matrix.series:
        if name:
            matrix.series[name].problem = (
                f"several series of the answer have {piece.config.label}={name!r}; let the query make them one, such "
                f"as avg by ({piece.config.label}) (...)"
            )
        return
    times, values = _points(one.get("values") or [])
    window, period = piece.window, piece.config.period_seconds * _MICROSECONDS
    first = round(window.start.timestamp()) * _MICROSECONDS + period
    last = round(window.end.timestamp()) * _MICROSECONDS
    asked = (times >= first) & (times <= last) & ((times - first) % period == 0)
    found = OneSeries(times[asked] - period, values[asked], strays=int((~asked).sum()))
    if one.get("histograms"):
        found.problem = "the query answers histograms; take a number of them, such as histogram_quantile(0.95, ...)"
    matrix.series[name] = found


def _points(pairs: Sequence[Sequence[Any]]) -> tuple[Microseconds, Values]:
    """Times and values of ``[[1435781430.781, "1"], ...]``; ``NaN``, ``+Inf`` and ``-Inf`` are what they say."""
    if any(len(pair) != 2 or not isinstance(pair[1], str) for pair in pairs):
        raise ValueError("a point is a time and a text")
    count = len(pairs)
    seconds = np.fromiter((pair[0] for pair in pairs), np.float64, count)
    if not (np.abs(seconds) < _LAST_SECOND).all():  # false for NaN, too
        raise ValueError("a time is seconds since 1970")
    # Through milliseconds, which is all that Prometheus has: a float of seconds is not exact.
    times = np.round(seconds * 1_000).astype(np.int64) * 1_000
    return times, np.fromiter((float(pair[1]) for pair in pairs), np.float64, count)


def _refused(reply: Reply, body: Mapping[str, Any], connection: str, request: HttpRequest) -> Matrix:
    kind, words = str(body.get("errorType", "")), str(body.get("error", ""))
    if kind in _OF_THE_QUERY:
        return Matrix(refused=f"Prometheus refuses the query ({kind}): {words[:300]}. {_OF_THE_QUERY[kind]}")
    said = f"{kind}: {words}" if kind else ""
    if kind == "timeout":
        raise SourceError(
            f"{request.what}: evaluating it took too long ({words}; connection {connection}). Let query ask for "
            "less: only the fleet's own series ($targets), a recording rule, a shorter window.",
            retryable=True,
        )
    if reply.ok:
        raise _no_prometheus(reply, connection, request)
    raise refusal(reply, connection, request.what, said=said)


def _no_prometheus(reply: Reply, connection: str, request: HttpRequest) -> SourceError:
    return SourceError(
        f"{request.what}: {reply.url} (connection {connection}) does not answer as Prometheus does: "
        f"{reply.excerpt()!r}. Let the connection name what stands before /api/v1/query_range.",
        retryable=False,
    )


def _json(reply: Reply) -> Mapping[str, Any]:
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
