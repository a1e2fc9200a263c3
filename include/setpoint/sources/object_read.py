"""One object's content as a table: CSV or Parquet, only the columns wanted, never more than is allowed.

Imported inside functions: it needs pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from setpoint.sources.columns import ColumnError
from setpoint.sources.object_metric import ObjectMetric
from setpoint.sources.unpack import BrokenError, TooLargeError, unpacked

MOST_ROWS = 50_000_000
"""Rows one object may have: a Parquet file of a few kilobytes may claim billions."""


@dataclass(frozen=True)
class Sheet:
    """What was read of one object."""

    table: Any
    """A ``pyarrow.Table``."""
    problem: str = ""
    """What of it could not be read, and is left out."""


def sheet_of(
    content: bytes,
    name: str,
    config: ObjectMetric,
    columns: Sequence[str],
    *,
    appears_whole: bool,
    go_on: Callable[[], None],
) -> Sheet:
    """Read an object.

    :param name: the object's name; its ending may tell the compression.
    :param columns: the columns to read.
    :param appears_whole: the storage shows an object when all of it is there. A file may be looked at while it is
        written: then a last line without an end is not taken for a row.
    :raises TooLargeError: it is, unpacked, larger than ``max_megabytes``, or has more than :data:`MOST_ROWS` rows.
    :raises BrokenError: it is cut off, or no CSV or Parquet at all.
    :raises ColumnError: a column is not there.
    """
    max_bytes = config.max_megabytes * 1_000_000
    try:
        if config.read_as() == "parquet":
            return Sheet(_parquet(content, columns, max_bytes))
        return _csv(unpacked(content, config.codec_of(name), max_bytes, go_on), config, columns, appears_whole)
    except (pa.ArrowException, OSError) as error:
        raise BrokenError(f"it is no complete {config.read_as()}: {_first_line(error)}") from error


def _parquet(content: bytes, columns: Sequence[str], max_bytes: int) -> Any:
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        there = file.schema_arrow.names
        _check_columns(there, columns)
        meta = file.metadata
        size = sum(
            meta.row_group(group).column(number).total_uncompressed_size
            for group in range(meta.num_row_groups)
            for number in range(meta.num_columns)
            if meta.row_group(group).column(number).path_in_schema.partition(".")[0] in columns
        )
        if size > max_bytes or meta.num_rows > MOST_ROWS:
            raise TooLargeError(f"{size // 1_000_000} MB and {meta.num_rows} rows, unpacked")
        return file.read(columns=list(columns), use_threads=False)


def _csv(content: bytes, config: ObjectMetric, columns: Sequence[str], appears_whole: bool) -> Sheet:
    problems: list[str] = []
    if not appears_whole and content and not content.endswith((b"\n", b"\r")):
        content = content[: max(content.rfind(b"\n"), content.rfind(b"\r")) + 1]
        problems.append("its last line has no end, so it may still be being written; the line is left out")
    if not content.strip():
        raise BrokenError("it is empty: CSV begins with a line of column names")
    misshapen = 0

    def skip(_: Any) -> str:
        nonlocal misshapen
        misshapen += 1
        return "skip"

    delimiter = config.delimiter or ("\t" if ".tsv" in config.files.lower() else ",")
    with csv.open_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(use_threads=False, block_size=min(max(len(content) + 1, 1 << 16), 1 << 30)),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
        # All as text: what is a time or a number, and in which form, is not for a guess.
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False),
    ) as reader:
        _check_columns(reader.schema.names, columns)
        table = reader.read_all().select(list(columns))
    if misshapen:
        problems.append(f"{misshapen} of its lines have more or fewer columns than its first; they are left out")
    if len(table) > MOST_ROWS:
        raise TooLargeError(f"{len(table)} rows")
    return Sheet(table, "; ".join(problems))


def _check_columns(there: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if (count := list(there).count(name)) != 1:
            problem = f"has {count} columns named {name!r}" if count else f"has no column {name!r}"
            raise ColumnError(
                f"{problem}; its columns are {', '.join(list(there)[:20]) or 'none'}. Put right what columns says, or "
                "what writes the table"
            )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300]
