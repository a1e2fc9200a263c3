"""Columns of a table (a Parquet or CSV object, a database's answer) into moments, targets and numbers.

Nothing is guessed: a time without a zone, a number without a unit and a text that is no number are told, never read as
something. Imported inside functions: it needs pyarrow and numpy, and pandas for what is not plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from setpoint.sources.by_name import ByName
from setpoint.sources.table_columns import TableColumns

_TO_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_LATEST = 9.2e18 / 1e3  # what a 64-bit count of nanoseconds reaches, in microseconds: the year 2262
_HAS_ZONE = r"(?i)(Z|[+-]\d{2}(:?\d{2})?)\s*$"
_MISSING = ("", "nan", "na", "null", "none")


class ColumnError(Exception):
    """A table does not fit what the policy says of it. The message names the column and what to do."""


@dataclass(frozen=True)
class Points:
    """The points of one metric in one table; rows of targets that were not asked for are left out."""

    times: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    unreadable: npt.NDArray[np.int64]
    """The targets' codes of rows whose time or value cannot be read."""
    why: str
    """What is wrong with those rows."""


def points_of(table: Any, columns: TableColumns, whose: ByName, name: str | None) -> Points:
    """One metric's points in a table.

    :param table: a ``pyarrow.Table`` that has the columns the policy names.
    :param whose: the targets asked for, by what the table calls them.
    :param name: the value of the ``metric`` column that means this metric.
    :raises ColumnError: a column is not there, or is of a type that cannot mean what the policy says.
    """
    names = _text(_column(table, columns.target), columns.target)
    found = pc.index_in(names, value_set=pa.array(whose.names, pa.string()))
    rows = pc.is_valid(found)
    if columns.metric is not None:
        rows = pc.and_(rows, pc.fill_null(pc.equal(_text(_column(table, columns.metric), columns.metric), name), False))
    wanted = _numpy(found.filter(rows)).astype(np.int64)
    times, timed = moments(_column(table, columns.timestamp).filter(rows), columns)
    values, numbered = numbers(_column(table, columns.value).filter(rows), columns.value)
    good = timed & numbered
    points, codes = whose.spread(wanted[good])
    _, unreadable = whose.spread(wanted[~good])
    why = _what_is_wrong(timed, numbered, columns)
    return Points(times[good][points], codes, values[good][points], unreadable, why)


def _what_is_wrong(timed: npt.NDArray[np.bool_], numbered: npt.NDArray[np.bool_], columns: TableColumns) -> str:
    said = []
    if not timed.all():
        also = f", or none that {columns.time_zone} has exactly once" if columns.time_zone else ""
        said.append(f"{(~timed).sum()} rows have no readable time in {columns.timestamp}{also}")
    if not numbered.all():
        said.append(f"{(~numbered).sum()} rows have no number in {columns.value}")
    return "; ".join(said)


def _column(table: Any, name: str) -> Any:
    found = table.schema.get_all_field_indices(name)
    if len(found) == 1:
        return table.column(found[0])
    there = ", ".join(map(str, table.column_names[:20])) or "none"
    problem = f"has {len(found)} columns named {name!r}" if found else f"has no column {name!r}"
    raise ColumnError(f"{problem}; its columns are {there}. Put right what columns says, or what writes the table")


def _text(column: Any, name: str) -> Any:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.cast(kind.value_type), name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    raise ColumnError(f"column {name!r} is of type {kind}; names are text or whole numbers")


def moments(column: Any, columns: TableColumns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """A column's moments in microseconds since the Unix epoch (UTC), and which rows have one.

    :raises ColumnError: the column's type does not say which moment is meant: no zone, no unit, only a day.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return moments(column.cast(kind.value_type), columns)
    if pa.types.is_null(kind):
        return np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    if pa.types.is_timestamp(kind):
        if columns.time_unit is not None:
            raise ColumnError(f"column {columns.timestamp!r} holds timestamps, not numbers; leave time_unit out")
        if kind.tz is not None:
            return _utc(column)
        return _local(column, columns)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _counted(_numpy(pc.fill_null(column.cast(pa.float64()), np.nan)), columns)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _written(column.cast(pa.string()), columns)
    raise ColumnError(f"column {columns.timestamp!r} is of type {kind}; times are timestamps, ISO 8601 text or numbers")


def _utc(column: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    told = _numpy(pc.is_valid(column))
    whole = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    return _numpy(pc.fill_null(whole, 0)), told


def _local(column: Any, columns: TableColumns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Times without a zone, read in the zone the policy names. An hour that comes twice, or never, is no moment."""
    import pandas as pd

    if columns.time_zone is None:
        raise ColumnError(
            f"column {columns.timestamp!r} holds times without a zone, so nobody knows which moment they mean; let "
            "what writes them write UTC with its zone, or set time_zone (UTC, Europe/Berlin)"
        )
    naive = pd.DatetimeIndex(_numpy(column.cast(pa.timestamp("us"), safe=False)))
    return _from_index(naive.tz_localize(columns.time_zone, ambiguous="NaT", nonexistent="NaT"))


def _from_index(index: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    told = ~np.asarray(index.isna())
    whole = index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.where(told, whole, 0), told


def _counted(
    counts: npt.NDArray[np.float64], columns: TableColumns
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    if columns.time_unit is None:
        raise ColumnError(
            f"column {columns.timestamp!r} holds numbers; set time_unit to what they count since 1970: s, ms, us or ns"
        )
    scaled = counts * _TO_MICROSECONDS[columns.time_unit]
    told = np.isfinite(scaled) & (np.abs(scaled) < _LATEST)
    return np.where(told, np.rint(np.where(told, scaled, 0)), 0).astype(np.int64), told


def _written(column: Any, columns: TableColumns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    if columns.time_unit is not None:
        counts, _ = numbers(column, columns.timestamp)
        return _counted(counts, columns)
    try:
        # Thirty times as fast, and it takes nothing but RFC 3339 with a zone: for the rest see below.
        return _utc(column.cast(pa.timestamp("us", "UTC")))
    except pa.ArrowInvalid:
        return _written_otherwise(column, columns)


def _written_otherwise(column: Any, columns: TableColumns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Times of several forms, or some that are none."""
    import pandas as pd

    zoned = _numpy(pc.fill_null(pc.match_substring_regex(column, _HAS_ZONE), False))
    blank = _numpy(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True))
    times, told = np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    texts = column.to_pandas()
    if zoned.any():
        index = pd.DatetimeIndex(pd.to_datetime(texts[zoned], format="ISO8601", errors="coerce", utc=True))
        times[zoned], told[zoned] = _from_index(index)
    naive = ~zoned & ~blank
    if naive.any():
        parsed = pd.DatetimeIndex(pd.to_datetime(texts[naive], format="ISO8601", errors="coerce"))
        # What is no time at all is a row that cannot be read; a time without a zone is a table that cannot be.
        if columns.time_zone is not None or not parsed.isna().all():
            times[naive], told[naive] = _local(pa.chunked_array([pa.array(parsed.as_unit("us"))]), columns)
    return times, told


def numbers(column: Any, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """A column's numbers, and which rows can be read. A missing number is ``NaN`` and can be read: it is missing.

    :raises ColumnError: the column's type holds no numbers.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return numbers(column.cast(kind.value_type), name)
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan), np.ones(len(column), bool)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        # safe=False: a whole number above 2**53 becomes the nearest float, as it would anywhere in the frame.
        return _numpy(pc.fill_null(column.cast(pa.float64(), safe=False), np.nan)), np.ones(len(column), bool)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _written_numbers(column.cast(pa.string()))
    raise ColumnError(f"column {name!r} is of type {kind}; values are numbers")


def _written_numbers(column: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    import pandas as pd

    plain = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(column, "")))
    missing = _numpy(pc.is_in(plain, value_set=pa.array(_MISSING)))
    try:
        values = _numpy(pc.if_else(pa.array(missing), None, plain).cast(pa.float64()).fill_null(np.nan))
    except pa.ArrowInvalid:
        values = pd.to_numeric(plain.to_pandas(), errors="coerce").to_numpy(np.float64)
    return np.where(missing, np.nan, values), missing | ~np.isnan(values)


def column_of(values: Sequence[Any], name: str) -> Any:
    """A column of Python objects, as a database's driver gives them.

    :raises ColumnError: objects of several kinds, or of one that is neither a time, a text nor a number.
    """
    if any(isinstance(one, Decimal) for one in values):
        values = [float(one) if isinstance(one, Decimal) else one for one in values]
    zones = {one.tzinfo is None for one in values if isinstance(one, datetime)}
    if len(zones) > 1:
        raise ColumnError(f"column {name!r} holds times with and times without a zone")
    try:
        kind = pa.timestamp("us", "UTC") if zones == {False} else pa.timestamp("us") if zones else None
        return pa.chunked_array([pa.array(values, kind)])
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise ColumnError(f"column {name!r} is not of one kind of value: {error}") from error


def _numpy(column: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = (column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])).to_numpy()
    return array
