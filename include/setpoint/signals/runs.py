"""Where a column of names changes, without making a Python string, or a hash, of every row.

A source lays series end to end, so a fleet's frame of ten million rows has some thousand runs of equal names. They are
found in the bytes of the column's Arrow buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Integers = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 1 << 18
_FEWEST_ROWS_A_STRETCH = 16
"""Names whose lengths change more often than this are hashed instead."""


@dataclass(frozen=True)
class Runs:
    """Stretches of rows with the same name: the first row of each, and its name; ``None`` for a missing one."""

    starts: Integers
    names: list[str | None]


def runs_of(column: pd.Series[str]) -> Runs:
    """The runs of a column of names, in its order. Neighbouring runs may have the same name, but never do in a frame
    that is laid end to end."""
    if not len(column):
        return Runs(np.empty(0, np.int64), [])
    array = pa.array(column, type=pa.large_string(), from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    starts = None if array.null_count else _changes(array)
    if starts is None:
        starts = _changes_of_codes(array)
    return Runs(starts, array.take(pa.array(starts)).to_pylist())


def _changes(array: pa.LargeStringArray) -> Integers | None:
    """The rows that start a run; ``None`` when the names' lengths change too often to look at their bytes."""
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)
    found = [np.zeros(1, dtype=np.int64)]
    for first in range(0, len(array), _ROWS_AT_ONCE):
        # One row of the chunk before comes along, to be compared with.
        low, high = max(0, first - 1), min(len(array), first + _ROWS_AT_ONCE)
        part = offsets[low : high + 1]
        lengths = np.diff(part)
        turns = np.flatnonzero(lengths[1:] != lengths[:-1]) + 1
        if len(turns) * _FEWEST_ROWS_A_STRETCH > len(lengths) and len(lengths) > _FEWEST_ROWS_A_STRETCH:
            return None
        stretches = pairwise([0, *turns.tolist(), len(lengths)])
        inside = [a + where for a, b in stretches for where in _inside(data[part[a] : part[b]], int(lengths[a]))]
        found.append(low + np.sort(np.concatenate([turns, *inside])))
    return np.concatenate(found)


def _inside(text: npt.NDArray[np.uint8], length: int) -> Iterator[Integers]:
    """The rows of a stretch of names of the same length that differ from the row before."""
    different = text[length:] != text[: len(text) - length] if length else np.empty(0, np.bool_)
    if different.any():
        yield np.unique(np.flatnonzero(different) // length) + 1


def _changes_of_codes(array: pa.LargeStringArray) -> Integers:
    codes = array.dictionary_encode(null_encoding="encode").indices.to_numpy()
    return np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(codes[1:] != codes[:-1]) + 1])
