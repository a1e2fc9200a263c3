"""One health metric before and after a change."""

from __future__ import annotations

import math
from dataclasses import dataclass

from setpoint.model import HealthReading, HealthVerdict
from setpoint.policy.schema import HealthLimit

CLEAR_MARGIN = 0.1
"""Inside its limits a metric counts as improved when it is better by more than this share of the value before."""


@dataclass(frozen=True)
class Measurement:
    """One metric's aggregate over one observation window."""

    value: float | None
    """``None`` when there was nothing to aggregate."""
    samples: int

    @property
    def finite(self) -> float | None:
        """The value, unless it is NaN or infinite: those are no values."""
        return self.value if self.value is not None and math.isfinite(self.value) else None


MISSING = Measurement(value=None, samples=0)


def read_health(
    metric: str, limit: HealthLimit, min_samples: int, before: Measurement, after: Measurement
) -> HealthReading:
    """Judge one metric. The first row that applies is the verdict:

    ====================================================================== ============
    too few samples after (fewer than ``min_samples``, or no finite value)  inconclusive
    too few before, and the rule compares (``no_worse_than``)               inconclusive
    beyond ``max`` or ``min``, too few samples before                       inconclusive
    beyond ``max`` or ``min``, worse than before                            degraded
    beyond ``max`` or ``min``, as before or better                          inconclusive
    only ``no_worse_than`` given, worse than before                         degraded
    inside, and before it was beyond                                        improved
    inside, and better than before by more than 10 %                        improved
    inside                                                                  healthy
    ====================================================================== ============

    *Worse* is higher, or lower for a ``min``; with ``no_worse_than: 1.1x`` it is worse by more than that factor (more
    than 1.1 times the value before; for a ``min`` less than the value before divided by 1.1). So a value inside ``max``
    and ``min`` is healthy however far it moved, and one that was beyond before and did not get worse is not blamed on
    the change. A factor says nothing of a negative value before: inconclusive.
    """
    verdict, text = _judge(limit, min_samples, before, after)
    return HealthReading(
        metric=metric,
        before=before.finite,
        after=after.finite,
        samples_before=before.samples,
        samples_after=after.samples,
        limit=_limit_in_words(limit),
        verdict=verdict,
        text=f"{limit.aggregate} of {metric} {text}",
    )


def _judge(limit: HealthLimit, min_samples: int, before: Measurement, after: Measurement) -> tuple[HealthVerdict, str]:
    old = before.finite if before.samples >= min_samples else None
    new = after.finite if after.samples >= min_samples else None
    ratio = limit.no_worse_than
    if new is None:
        return HealthVerdict.INCONCLUSIVE, f"cannot be judged: {_samples(after, min_samples)} after the change"
    beyond = _beyond(limit, new)
    if old is None:
        if ratio is not None or beyond:
            text = f"is {_number(new)}{beyond} after the change, but {_samples(before, min_samples)} before it"
            return HealthVerdict.INCONCLUSIVE, f"cannot be compared: it {text}"
        return HealthVerdict.HEALTHY, f"is {_number(new)}, {_limit_in_words(limit)}"
    moved = f"went from {_number(old)} to {_number(new)}{beyond}"
    if ratio is not None and old < 0:
        return HealthVerdict.INCONCLUSIVE, f"{moved}; a factor such as {ratio:g}x says nothing of a negative value"
    bound_only_by_ratio = limit.max is None and limit.min is None
    if beyond or bound_only_by_ratio:
        if _worse(limit, old, new):
            by = "" if ratio is None else f", worse than {ratio:g}x allows"
            return HealthVerdict.DEGRADED, f"{moved}{by}"
        if beyond:
            return HealthVerdict.INCONCLUSIVE, f"{moved}: not worse than before, not healthy either"
    if _beyond(limit, old) or _clearly_better(limit, old, new):
        return HealthVerdict.IMPROVED, moved
    return HealthVerdict.HEALTHY, f"{moved}, {_limit_in_words(limit)}"


def _beyond(limit: HealthLimit, value: float) -> str:
    """Which limit a value is beyond, in words; empty when none."""
    if limit.max is not None and value > limit.max:
        return f" (above {limit.max:g})"
    if limit.min is not None and value < limit.min:
        return f" (below {limit.min:g})"
    return ""


def _lower_is_worse(limit: HealthLimit, value: float) -> bool:
    return limit.min is not None and (limit.max is None or value < limit.min)


def _worse(limit: HealthLimit, old: float, new: float) -> bool:
    factor = limit.no_worse_than or 1.0
    if _lower_is_worse(limit, new):
        return new < old / factor
    return new > old * factor


def _clearly_better(limit: HealthLimit, old: float, new: float) -> bool:
    if limit.max is not None and limit.min is not None:
        return False  # between two limits neither direction is the better one
    gain = new - old if _lower_is_worse(limit, new) else old - new
    return gain > CLEAR_MARGIN * abs(old)


def _limit_in_words(limit: HealthLimit) -> str:
    parts = [
        f"at most {limit.max:g}" if limit.max is not None else "",
        f"at least {limit.min:g}" if limit.min is not None else "",
        f"no worse than {limit.no_worse_than:g}x the value before" if limit.no_worse_than is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _samples(measured: Measurement, needed: int) -> str:
    if measured.samples >= needed:
        return "no finite value"
    return f"{measured.samples} of the {needed} samples needed"


def _number(value: float) -> str:
    return f"{value:.4g}"
