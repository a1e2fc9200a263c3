"""Building the long frame every source answers with, column by column. Imported inside functions: it needs pandas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from setpoint.model import FRAME_COLUMNS


def long_frame(
    *,
    microseconds: npt.NDArray[np.int64],
    targets: Sequence[str],
    metrics: Sequence[str],
    counts: Sequence[int],
    values: npt.NDArray[np.float64],
) -> pd.DataFrame:
    """The long frame of several series laid end to end.

    :param microseconds: every point's time, in microseconds since the Unix epoch (UTC).
    :param targets: each series' target.
    :param metrics: each series' metric.
    :param counts: each series' number of points; they sum to the length of ``microseconds`` and ``values``.
    :param values: every point's value.
    :returns: columns ``FRAME_COLUMNS``: ``datetime64[us, UTC]``, ``str``, ``str``, ``float64``.
    """
    columns = (
        pd.DatetimeIndex(microseconds.view("datetime64[us]"), tz="UTC"),
        _repeated(targets, counts),
        _repeated(metrics, counts),
        values,
    )
    return pd.DataFrame(dict(zip(FRAME_COLUMNS, columns, strict=True)), columns=list(FRAME_COLUMNS))


def empty_frame() -> pd.DataFrame:
    """A long frame without a row, with every column's type."""
    return long_frame(
        microseconds=np.empty(0, np.int64), targets=(), metrics=(), counts=(), values=np.empty(0, np.float64)
    )


def _repeated(names: Sequence[str], counts: Sequence[int]) -> pd.Series[str]:
    distinct = pd.array(list(names), dtype="str")
    return pd.Series(distinct.take(np.repeat(np.arange(len(names)), counts)))
