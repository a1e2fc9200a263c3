"""The lines of a metric stream, as columns.

One JSON object a line, as documented in "CloudWatch metric stream output in JSON format" (CloudWatch's user guide)::

    {"metric_stream_name": "fleet", "account_id": "123456789012", "region": "eu-west-1", "namespace": "AWS/EC2",
     "metric_name": "CPUUtilization", "dimensions": {"AutoScalingGroupName": "web"}, "timestamp": 1772366340000,
     "value": {"count": 2.0, "sum": 90.0, "max": 50.0, "min": 40.0, "p99": 49.9}, "unit": "Percent"}

Imported inside functions: it needs pyarrow and numpy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from setpoint.sources.stream_metric import StreamMetric
from setpoint.sources.unpack import BrokenError

_BLOCK_BYTES = 16 << 20
_MOST_DIMENSION_NAMES = 500
_PLAIN = re.compile(r"[A-Za-z0-9_. -]+")


@dataclass(frozen=True)
class Rows:
    """Points of one metric as a stream carried them, a minute each."""

    milliseconds: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    """Whose each point is, by the place of the name among those asked for."""
    parts: Mapping[str, npt.NDArray[np.float64]]
    """What the stream says of each point, by its key in ``value``: always ``count``, and what the statistic needs."""
    origins: npt.NDArray[np.object_]
    """The account, region and unit of each point, as one text."""


class Reader:
    """Finds some metrics of some targets in the lines of a stream.

    :param metrics: the metrics asked for.
    :param names: what the stream calls the targets asked for, by metric.
    """

    def __init__(self, metrics: Mapping[str, StreamMetric], names: Mapping[str, Sequence[str]]) -> None:
        self._metrics = metrics
        self._names = {metric: pa.array(called, pa.string()) for metric, called in names.items()}
        self._options = pj.ParseOptions(explicit_schema=_schema(metrics.values()), unexpected_field_behavior="infer")
        metric_names = {one.name for one in metrics.values()}
        # A line without the name in it need not be read. Only where a writer could not write the name otherwise.
        self._hint = (
            "|".join(map(re.escape, sorted(metric_names))) if all(map(_PLAIN.fullmatch, metric_names)) else None
        )

    def read(self, content: bytes, go_on: Callable[[], None]) -> tuple[dict[str, list[Rows]], int]:
        """The points of each metric, and how many lines are not as documented.

        :param go_on: asked before each piece; it raises when there is no use in going on.
        :raises BrokenError: it holds no such lines at all.
        """
        found: dict[str, list[Rows]] = {name: [] for name in self._metrics}
        bad = 0
        for block in _blocks(content):
            go_on()
            table, lost = self._table(block)
            bad += lost
            if table is None or not table.num_rows:
                continue
            for name, rows in self._rows(table):
                found[name].append(rows)
        return found, bad

    def _table(self, block: bytes) -> tuple[Any, int]:
        lines = self._wanted(block)
        if not lines.strip():
            return None, 0
        try:
            return self._parse(lines), 0
        except pa.ArrowInvalid:
            good = [line for line in lines.split(b"\n") if line.strip() and _as_documented(line)]
            lost = sum(1 for line in lines.split(b"\n") if line.strip()) - len(good)
        try:
            return (self._parse(b"\n".join(good)) if good else None), lost
        except pa.ArrowInvalid as error:
            raise BrokenError(f"its lines are not those of a metric stream in JSON: {error}") from error

    def _wanted(self, block: bytes) -> bytes:
        if self._hint is None:
            return block
        lines = pc.list_flatten(pc.split_pattern(pa.array([block], pa.large_binary()), b"\n"))
        kept = lines.filter(pc.match_substring_regex(lines, self._hint))
        if not len(kept):
            return b""
        ended = pc.binary_join_element_wise(
            kept, pa.scalar(b"\n", pa.large_binary()), pa.scalar(b"", pa.large_binary())
        )
        return bytes(ended.buffers()[2])  # the lines, one after the other: it was made just now, so from the beginning

    def _parse(self, lines: bytes) -> Any:
        # One block, so that a column has one type however the lines go on.
        return pj.read_json(
            BytesIO(lines),
            read_options=pj.ReadOptions(use_threads=False, block_size=max(len(lines) + 1, 1 << 16)),
            parse_options=self._options,
        )

    def _rows(self, table: Any) -> Iterator[tuple[str, Rows]]:
        dimensions = _children(table.column("dimensions"))
        if len(dimensions) > _MOST_DIMENSION_NAMES:
            raise BrokenError(f"its points have more than {_MOST_DIMENSION_NAMES} different names of dimensions")
        count = np.zeros(table.num_rows, np.int64)
        for child in dimensions.values():
            count += _array(pc.is_valid(child)).astype(np.int64)
        values = _children(table.column("value"))
        for name, config in self._metrics.items():
            codes = pc.index_in(dimensions[config.dimension], value_set=self._names[name])
            mask = _array(pc.is_valid(codes)) & (count == 1 + len(config.dimensions))
            for other, wanted in _wanted_texts(config).items():
                column = dimensions[other[1]] if other[0] == "dimensions" else table.column(other[0])
                mask &= _array(pc.fill_null(pc.equal(column, wanted), False))
            if mask.any():
                yield name, _rows_of(table, pa.array(mask), codes, values, config)


def _wanted_texts(config: StreamMetric) -> dict[tuple[str, str], str]:
    """Which text stands where in a line of the metric."""
    texts: dict[tuple[str, str], str | None] = {
        ("namespace", ""): config.namespace,
        ("metric_name", ""): config.name,
        ("account_id", ""): config.account,
        ("region", ""): config.metric_region,
        ("unit", ""): config.query_unit,
    }
    texts |= {("dimensions", name): value for name, value in config.dimensions.items()}
    return {place: text for place, text in texts.items() if text is not None}


def _rows_of(table: Any, mask: Any, codes: Any, values: Mapping[str, Any], config: StreamMetric) -> Rows:
    origin = pc.binary_join_element_wise(
        *(pc.fill_null(table.column(name).filter(mask), "?") for name in ("account_id", "region", "unit")), " "
    )
    keys = dict.fromkeys(("count", *config.streamed))
    nothing = pa.nulls(table.num_rows, pa.float64())
    return Rows(
        milliseconds=_array(pc.fill_null(table.column("timestamp").filter(mask), -1)).astype(np.int64),
        codes=_array(codes.filter(mask)).astype(np.int64),
        parts={key: _array(pc.fill_null(values.get(key, nothing).filter(mask), np.nan)) for key in keys},
        origins=np.asarray(origin.to_pylist() if len(origin) < 1 else origin.to_numpy(), dtype=object),
    )


def _schema(metrics: Any) -> Any:
    """The fields that are read. Others may be there: of ``dimensions`` it counts whether they are."""
    dimensions = sorted({name for one in metrics for name in (one.dimension, *one.dimensions)})
    values = sorted({"count", "sum", "max", "min"} | {key for one in metrics for key in one.streamed})
    return pa.schema(
        [
            *((name, pa.string()) for name in ("account_id", "region", "namespace", "metric_name", "unit")),
            ("timestamp", pa.int64()),
            ("dimensions", pa.struct([(name, pa.string()) for name in dimensions])),
            ("value", pa.struct([(name, pa.float64()) for name in values])),
        ]
    )


def _children(column: Any) -> dict[str, Any]:
    whole = column.combine_chunks()
    return dict(zip((field.name for field in whole.type), whole.flatten(), strict=True))


def _array(column: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = (column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])).to_numpy()
    return array


def _blocks(content: bytes) -> Iterator[bytes]:
    """The content in pieces of whole lines."""
    first = 0
    while first < len(content):
        if first + _BLOCK_BYTES >= len(content):
            yield content[first:]
            return
        last = content.rfind(b"\n", first, first + _BLOCK_BYTES) + 1 or content.find(b"\n", first) + 1 or len(content)
        yield content[first:last]
        first = last


def _as_documented(line: bytes) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return False
    return (
        isinstance(told, dict)
        and all(isinstance(told.get(key), str) for key in ("namespace", "metric_name", "account_id", "region", "unit"))
        and isinstance(told.get("timestamp"), int)
        and isinstance(told.get("dimensions"), dict)
        and all(isinstance(one, str) for one in told["dimensions"].values())
        and isinstance(told.get("value"), dict)
        and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in told["value"].values())
    )
