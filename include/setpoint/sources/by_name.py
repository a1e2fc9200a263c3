"""From what a source calls targets, column by column, to the targets. Imported inside functions: it needs numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


class ByName:
    """Whose the points of a name are: of one target as a rule, of several where they share a series.

    :param codes_of: the targets' codes by what the source calls them (see ``TargetNames.codes_of``).
    """

    def __init__(self, codes_of: Mapping[str, Sequence[int]]) -> None:
        self.names = tuple(codes_of)
        self._counts = np.fromiter(map(len, codes_of.values()), np.int64, len(codes_of))
        self._codes = np.array([code for codes in codes_of.values() for code in codes], np.int64)
        self._firsts = np.cumsum(self._counts) - self._counts

    def spread(self, found: Codes) -> tuple[Codes, Codes]:
        """The points of each target.

        :param found: each point's name, by its place in :attr:`names`.
        :returns: which point, by its place in ``found``, is whose, by the target's code. A point of a shared series
            comes once for each target, and those of one target in the order they came.
        """
        counts = self._counts[found]
        points = np.repeat(np.arange(len(found)), counts)
        nth = np.arange(len(points)) - np.repeat(np.cumsum(counts) - counts, counts)
        return points, self._codes[self._firsts[found[points]] + nth]
