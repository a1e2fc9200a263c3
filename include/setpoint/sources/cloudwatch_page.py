"""One page of a GetMetricData answer, as columns.

boto3 makes a ``datetime`` and a ``float`` of each point, which takes longer than everything else a fetch does. So on a
client given to :func:`read_as_columns` the body is read before boto3 does: its structure by msgspec, which leaves the
arrays as they stand in the text, and the arrays of all series together by Arrow. What boto3 parses afterwards is empty.
A body that is not of the expected form is left to boto3's own parser, which then says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

_COLUMNS = "SetpointColumns"
_OPERATION = "cloudwatch.GetMetricData"

Microseconds = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Result(NamedTuple):
    """What a page says of one series. A Metrics Insights query has one for each group, all under the query's id."""

    id: str
    label: str
    code: str
    messages: tuple[str, ...]
    points: int
    unpaired: tuple[int, int] | None = None
    """Numbers of timestamps and of values, where they differ: then none of them is used, and ``points`` is 0."""


@dataclass(frozen=True, slots=True)
class Page:
    """Series laid end to end, in the order of ``results``. Times are microseconds since the Unix epoch, UTC."""

    results: tuple[Result, ...]
    times: Microseconds
    values: Values
    messages: tuple[str, ...]
    token: str | None


def read_as_columns(client: Any) -> None:
    """Let a boto3 client read GetMetricData's answers as columns. Doing it twice changes nothing."""
    client.meta.events.register(f"before-parse.{_OPERATION}", _take_columns, unique_id="setpoint-columns")


def page_of(response: Mapping[str, Any]) -> Page:
    """The page a response of ``get_metric_data`` holds, whoever parsed it."""
    columns = response.get(_COLUMNS)
    return columns if isinstance(columns, Page) else page_of_parsed(response)


def _take_columns(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    protocol = operation_model.service_model.resolved_protocol
    if protocol != "json" or response_dict["status_code"] != 200:
        return
    try:
        page = page_of_json(response_dict["body"])
    except UnexpectedFormError:
        return  # boto3's parser has the last word
    customized_response_dict[_COLUMNS] = page
    response_dict["body"] = b"{}"


class UnexpectedFormError(ValueError):
    """A body that is not what GetMetricData answers, or has a form that only boto3's parser reads."""


class _Message(msgspec.Struct):
    Code: str | None = None
    Value: str | None = None


class _Result(msgspec.Struct):
    Id: str
    Label: str | None = None
    Timestamps: msgspec.Raw = msgspec.Raw(b"[]")
    Values: msgspec.Raw = msgspec.Raw(b"[]")
    StatusCode: str | None = None
    Messages: list[_Message] | None = None


class _Body(msgspec.Struct):
    MetricDataResults: list[_Result] | None = None
    NextToken: str | None = None
    Messages: list[_Message] | None = None


_DECODER = msgspec.json.Decoder(_Body)


def page_of_json(body: bytes) -> Page:
    """A page of the JSON protocol's text (AWS JSON 1.0: times in seconds since the epoch).

    :raises UnexpectedFormError: the text is something else.
    """
    try:
        told = _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise UnexpectedFormError(str(error)) from error
    found = told.MetricDataResults or []
    times, values = [_inside(one.Timestamps) for one in found], [_inside(one.Values) for one in found]
    counts = [(_count(one), _count(other)) for one, other in zip(times, values, strict=True)]
    paired = [a == b for a, b in counts]
    return Page(
        results=tuple(
            Result(
                one.Id,
                one.Label or "",
                one.StatusCode or "Complete",
                tuple(_words(said.Code, said.Value) for said in one.Messages or ()),
                a if a == b else 0,
                None if a == b else (a, b),
            )
            for one, (a, b) in zip(found, counts, strict=True)
        ),
        times=np.rint(_times(times, counts, paired) * 1e6).astype(np.int64),
        values=_numbers(values, counts, paired, 1),
        messages=tuple(_words(one.Code, one.Value) for one in told.Messages or ()),
        token=told.NextToken or None,
    )


def _inside(raw: msgspec.Raw) -> bytes:
    """What stands between the brackets of an array, without white space."""
    text = bytes(raw).translate(None, b" \t\r\n")
    if text == b"null":
        return b""
    if text[:1] != b"[":
        raise UnexpectedFormError("Timestamps and Values are arrays")
    return text[1:-1]


def _count(numbers: bytes) -> int:
    return numbers.count(b",") + 1 if numbers else 0


def _times(
    texts: Sequence[bytes], counts: Sequence[tuple[int, int]], paired: Sequence[bool]
) -> npt.NDArray[np.float64]:
    """All times of the paired series. Whole series of one window have the same, and those are read once."""
    if len(texts) > 1 and all(paired) and texts.count(texts[0]) == len(texts):
        return np.tile(_numbers(texts[:1], counts[:1], paired[:1], 0), len(texts))
    return _numbers(texts, counts, paired, 0)


def _numbers(
    texts: Sequence[bytes], counts: Sequence[tuple[int, int]], paired: Sequence[bool], which: int
) -> npt.NDArray[np.float64]:
    """All numbers of the paired series, in one go."""
    import pyarrow as pa
    from pyarrow import csv

    wanted = [text for text, fits in zip(texts, paired, strict=True) if fits and text]
    if not wanted:
        return np.empty(0)
    try:
        table = csv.read_csv(
            pa.BufferReader(b",".join(wanted).replace(b",", b"\n")),
            read_options=csv.ReadOptions(column_names=["number"], use_threads=False),
            parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={"number": pa.float64()}, null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise UnexpectedFormError(str(error)) from error
    numbers: npt.NDArray[np.float64] = table["number"].to_numpy()
    if len(numbers) != sum(count[which] for count, fits in zip(counts, paired, strict=True) if fits):
        raise UnexpectedFormError("an array holds something else than numbers")
    return numbers


def page_of_parsed(response: Mapping[str, Any]) -> Page:
    """A page as boto3's own parser understood it, whatever the protocol."""
    results, times, values = [], [], []
    for one in response.get("MetricDataResults") or ():
        stamps: Sequence[datetime] = one.get("Timestamps") or ()
        numbers: Sequence[Any] = one.get("Values") or ()
        fits = len(stamps) == len(numbers)
        results.append(
            Result(
                one["Id"],
                one.get("Label") or "",
                one.get("StatusCode") or "Complete",
                _all_words(one.get("Messages")),
                len(stamps) if fits else 0,
                None if fits else (len(stamps), len(numbers)),
            )
        )
        if fits:
            times.append(np.fromiter((round(at.timestamp() * 1e6) for at in stamps), np.int64, len(stamps)))
            values.append(np.asarray(numbers, dtype=np.float64))
    return Page(
        results=tuple(results),
        times=np.concatenate(times) if times else np.empty(0, np.int64),
        values=np.concatenate(values) if values else np.empty(0),
        messages=_all_words(response.get("Messages")),
        token=response.get("NextToken") or None,
    )


def _all_words(messages: Iterable[Mapping[str, Any]] | None) -> tuple[str, ...]:
    return tuple(_words(one.get("Code"), one.get("Value")) for one in messages or ())


def _words(code: str | None, value: str | None) -> str:
    return ": ".join(part for part in (code, value) if part) or "an empty message"
