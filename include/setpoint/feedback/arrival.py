"""Whether the capacity a change asked for came, and why not: a launch that failed is not a slow one."""

from __future__ import annotations

from dataclasses import dataclass

from setpoint.model import Action, ActivityStatus, Change, Reason, TargetHealth

IN_SERVICE = "in_service"
"""The code a change is settled with when its capacity came."""


@dataclass(frozen=True)
class Arrival:
    """What the provider's own records say of a change."""

    complete: bool
    """All of the capacity came (or, scaling in, went)."""
    begun: bool
    """Some of it did. Capacity that never came cannot have hurt."""
    reason: Reason | None = None
    """Why it is not complete."""


def arrival_of(change: Change, provider: TargetHealth | None) -> Arrival:
    """Read a change's arrival from the provider's health since the change.

    Without the provider's word, the change's own record counts: it was settled ``in_service``, or it is not known.
    """
    seen = change.reason.code == IN_SERVICE
    if provider is None:
        text = f"{change.plan.target} could not be read, and its capacity was not seen in service"
        return Arrival(complete=seen, begun=seen, reason=None if seen else Reason.of("arrival_unknown", text))
    plan, now = change.plan, provider.in_service_units
    out = plan.action is Action.SCALE_OUT
    complete = now >= plan.to_units if out else now <= plan.to_units
    begun = complete or seen or (now > plan.from_units if out else now < plan.from_units)
    if complete:
        return Arrival(complete, begun)
    standing = f"{now} in service, {plan.to_units} wanted"
    if failed := provider.failed:
        newest = max(failed, key=lambda one: (one.started_at, one.activity_id))
        said = newest.status_message or newest.description
        code, what = ("launch_failed", "launch") if out else ("terminate_failed", "take capacity away")
        text = f"{standing}: the provider failed to {what} ({len(failed)} failed activities); it says: {said}"
        return Arrival(complete, begun, Reason.of(code, text))
    under_way = [one for one in provider.activities if one.status is ActivityStatus.IN_PROGRESS]
    if under_way:
        text = f"{standing}: {len(under_way)} activities in progress, {under_way[0].description}"
        return Arrival(complete, begun, Reason.of("still_arriving", text))
    return Arrival(complete, begun, Reason.of("not_in_service", f"{standing}, and nothing in progress or failed"))


def more_unhealthy(change: Change, provider: TargetHealth | None) -> Reason | None:
    """That more units are unhealthy than before the change, if they are and both numbers are known."""
    before = change.result.before if change.result else None
    if before is None or provider is None or provider.unhealthy_units <= before.unhealthy_units:
        return None
    text = (
        f"{provider.unhealthy_units} units are unhealthy by the provider's own checks, {before.unhealthy_units} before"
    )
    return Reason.of("more_unhealthy", text)
