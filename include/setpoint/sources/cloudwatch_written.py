"""GetMetricData's queries as the text they are sent as.

boto3 looks at each member of each query twice, to check it and to copy it, before it writes them all: for many short
series that takes longer than everything else a fetch does. What the queries say was checked when the policy was read.
So on a client given to :func:`send_as_written` boto3 builds, signs and sends the request as ever, and is only handed
the queries' part of its body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, overload

_OPERATION = "cloudwatch.GetMetricData"
_TAKEN = "setpoint-queries"
_KEY = "MetricDataQueries"
_TARGET = "\x00target\x00"


class WrittenQueries(Sequence[Mapping[str, Any]]):
    """Some queries, each as JSON; who looks at one gets it as a mapping."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)

    @property
    def body(self) -> bytes:
        """All of them as a JSON array."""
        return f"[{', '.join(self._texts)}]".encode()

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(index, slice):
            return WrittenQueries(self._texts[index])
        query: dict[str, Any] = json.loads(self._texts[index])
        return query


def query_parts(
    *,
    namespace: str,
    name: str,
    own: str | None,
    dimensions: Mapping[str, str],
    period_seconds: int,
    statistic: str,
    unit: str | None,
    account: str | None,
) -> tuple[str, str]:
    """What stands before a target's name, as JSON, in a query of one metric, and what after it.

    The ``Id`` and the query's opening brace are left out.

    :param own: the dimension whose value is the target's name; ``None`` where there is none, and nothing comes after.
    """
    values = {**({} if own is None else {own: _TARGET}), **dimensions}
    stat = {
        "Metric": {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in values.items()],
        },
        "Period": period_seconds,
        "Stat": statistic,
        **({} if unit is None else {"Unit": unit}),
    }
    text = json.dumps({"MetricStat": stat, **({"AccountId": account} if account else {})})[1:]
    before, _, after = text.partition(json.dumps(_TARGET))
    return before, after


def send_as_written(client: Any) -> None:
    """Let a boto3 client take :class:`WrittenQueries`. Doing it twice changes nothing."""
    events = client.meta.events
    events.register(f"provide-client-params.{_OPERATION}", _take_out, unique_id="setpoint-queries-out")
    events.register(f"before-call.{_OPERATION}", _put_in, unique_id="setpoint-queries-in")


def _take_out(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> dict[str, Any] | None:
    queries = params.get(_KEY)
    if not isinstance(queries, WrittenQueries):
        return None
    if model.service_model.resolved_protocol != "json":
        return {**params, _KEY: list(queries)}  # another protocol has another form, which boto3 knows
    context[_TAKEN] = queries.body
    return {**params, _KEY: []}


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    queries = context.pop(_TAKEN, None)
    if queries is not None:
        rest = {key: value for key, value in json.loads(params["body"]).items() if key != _KEY}
        params["body"] = b'{"%s": %s, %s' % (_KEY.encode(), queries, json.dumps(rest)[1:].encode())
