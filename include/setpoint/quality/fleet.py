"""A metric over the whole fleet: when so many targets fail at once, it is the source that is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from setpoint.model import FleetQuality, SeriesQuality, Verdict

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


def fleet_quality(series: Sequence[SeriesQuality], policy: Policy) -> tuple[FleetQuality, ...]:
    """How each deciding metric fares over the fleet; nothing for a fleet too small to tell a source from its targets.

    Targets fail one by one for reasons of their own. That more than ``fleet.max_failing`` of them fail in one metric at
    the same moment has one reason, and that is where they all come from.
    """
    targets = len({one.target for one in series})
    if targets < policy.fleet.min_targets:
        return ()
    failing = dict.fromkeys(policy.deciding_metrics(), 0)
    for one in series:
        if one.verdict is Verdict.FAIL and one.metric in failing:
            failing[one.metric] += 1
    return tuple(_of_metric(metric, count, targets, policy) for metric, count in failing.items())


def _of_metric(metric: str, failing: int, targets: int, policy: Policy) -> FleetQuality:
    source, most = policy.metrics[metric].source, policy.fleet.max_failing
    broken = failing > most * targets
    shared = f"it is what they share ({source}) that is broken, not the targets"
    what = shared if broken else "the targets are judged one by one"
    return FleetQuality(
        metric=metric,
        source=source,
        targets=targets,
        failing=failing,
        max_failing=most,
        broken=broken,
        text=f"{metric} fails for {failing} of {targets} targets ({failing / targets:.0%}, at most {most:.0%}): {what}",
    )
