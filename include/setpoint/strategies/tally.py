"""N of the newest M points: the count, and what the missing points leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from setpoint.policy.fields import OfPoints

_SHOWN = 8
"""Values written out in a text, the newest ones; more would bury the sentence."""


@dataclass(frozen=True)
class Tally:
    """How many of the newest M points lie beyond a threshold."""

    of: OfPoints
    side: Literal["above", "below"]
    threshold: float
    beyond: tuple[float, ...]
    """The values beyond the threshold, oldest first."""
    present: int
    """Points there are among the newest M periods; a period without a point, or with NaN or infinity, has none."""

    @property
    def missing(self) -> int:
        return self.of.m - self.present

    @property
    def met(self) -> bool:
        """At least N points are beyond the threshold."""
        return len(self.beyond) >= self.of.n

    @property
    def possible(self) -> bool:
        """At least N points would be beyond it if every missing point were."""
        return len(self.beyond) + self.missing >= self.of.n

    def __str__(self) -> str:
        shown = ", ".join(f"{value:.4g}" for value in self.beyond[-_SHOWN:])
        values = f" ({'…, ' if len(self.beyond) > _SHOWN else ''}{shown})" if shown else ""
        missing = f", {self.missing} missing" if self.missing else ""
        newest = f"of the newest {self.of.m} points" if self.of.m > 1 else "of the newest point"
        return f"{len(self.beyond)} {newest} {self.side} {self.threshold:g}{values}{missing}; needs {self.of.n}"


def count_beyond(
    points: Sequence[float | None], of: OfPoints, side: Literal["above", "below"], threshold: float
) -> Tally:
    """Count the newest M points that lie beyond a threshold; a point on it does not.

    :param points: one value per period, oldest first, ``None`` where the period has no point. Fewer than M are M with
        the oldest ones missing.
    """
    present = [point for point in points[-of.m :] if point is not None and math.isfinite(point)]
    beyond = tuple(point for point in present if (point > threshold if side == "above" else point < threshold))
    return Tally(of=of, side=side, threshold=threshold, beyond=beyond, present=len(present))
