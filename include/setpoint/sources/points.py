"""Points that came more than once. Imported inside functions: it needs numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Part = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Times, targets' codes and values of some points, in one order."""


def newest_only(parts: Sequence[Part]) -> Part:
    """Of several points of one target and moment, the one of the last part that has it; by target, then by time.

    Two points of one moment within one part both stay: it is not the overlap of two parts, but one that contradicts
    itself, which the gate is to see.
    """
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)
    times, codes, values = (np.concatenate([part[column] for part in parts]) for column in range(3))
    of_part = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    order = np.lexsort((of_part, times, codes))
    times, codes, values, of_part = times[order], codes[order], values[order], of_part[order]
    group = np.concatenate(([True], (np.diff(times) != 0) | (np.diff(codes) != 0))) if len(times) else np.empty(0, bool)
    number = np.cumsum(group) - 1
    last = of_part[np.concatenate((np.flatnonzero(group)[1:], [len(times)])) - 1] if len(times) else of_part
    keep = of_part == last[number] if len(times) else np.empty(0, bool)
    return times[keep], codes[keep], values[keep]
