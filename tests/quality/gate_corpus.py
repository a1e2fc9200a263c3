"""One fault for each check that only that check sees: what the gate would let through without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from setpoint.model import Completeness, SeriesHistory
from setpoint.testing.values import NOW

Points = list[tuple[Any, float]]
Fault = Callable[[Points], Points]


@dataclass(frozen=True)
class Case:
    """A fault, the policy it is judged under, what is remembered, and what the source says."""

    fault: Fault
    quality: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, Any] | None = None
    batch: Mapping[str, Any] = field(default_factory=dict)
    status: Completeness = Completeness.COMPLETE


def past(**fields: Any) -> SeriesHistory:
    """A series as usual: 50 to 59, always moving, never zero."""
    return SeriesHistory.model_validate(
        {
            "target": "web",
            "metric": "cpu",
            "batch_id": "batch-0",
            "accepted_at": NOW - timedelta(minutes=5),
            "batches": 20,
            "points": 200,
            "zeros": 0,
            "median": 54.5,
            "spread": 3.7,
            "lowest": 50.0,
            "highest": 59.0,
            "longest_run": 1,
            **fields,
        }
    )


def _at(slot: int, value: float) -> Fault:
    return lambda points: [(moment, value if n == slot else old) for n, (moment, old) in enumerate(points)]


def _swapped(points: Points) -> Points:
    return [points[1], points[0], *points[2:]]


def _without(*slots: int) -> Fault:
    return lambda points: [point for n, point in enumerate(points) if n not in slots]


def _more(minutes: float) -> Fault:
    extra = (NOW + timedelta(minutes=minutes), 55.0)
    return lambda points: sorted([*points, extra])


def _each(make: Callable[[int, float], float]) -> Fault:
    return lambda points: [(moment, make(n, old)) for n, (moment, old) in enumerate(points)]


_LENIENT = {"min_coverage": 0.1, "full_coverage": 0.1}
_ZEROS_KNOWN = {"zero_guard": False}

CORPUS: Mapping[str, Case] = {
    "source": Case(lambda points: points, status=Completeness.PARTIAL),
    "order": Case(_swapped),
    "duplicates": Case(lambda points: sorted([*points, (points[2][0] + timedelta(seconds=20), 55.0)])),
    "nulls": Case(_at(4, math.nan), _LENIENT),
    "finite": Case(_at(4, math.inf), {**_LENIENT, "between": None}),
    "window": Case(_more(-11)),
    "settle": Case(_more(0.5)),
    "future": Case(_more(2)),
    "freshness": Case(_without(6, 7, 8, 9), _LENIENT),
    "coverage": Case(_without(0, 1), {"full_coverage": 0.95}),
    "gap": Case(_without(3, 4, 5, 6), _LENIENT),
    "range": Case(_at(4, 100.5)),
    "sign": Case(_at(4, -40.0), {"between": None}),
    "codes": Case(_each(lambda n, old: 999.0 if n in (4, 5) else old), {"between": None}),
    "zero_guard": Case(_at(4, 0.0)),
    "newest_spike": Case(_at(9, 5.0)),
    "spikes": Case(_at(4, 5000.0), {"between": None}),
    "stuck": Case(_each(lambda n, old: 54.3 if n >= 3 else old), history={}),
    "fall": Case(_each(lambda n, old: old / 100), history={}),
    "rise": Case(_each(lambda n, old: old * 100), {"between": None, "max_rise": "20x"}, history={}),
}
"""By check. ``history={}`` is a series as usual; ``None`` one that was never seen."""
