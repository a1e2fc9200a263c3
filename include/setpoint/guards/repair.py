"""Bringing a target that stands outside the policy's bounds back inside, behind the same guards as any change."""

from __future__ import annotations

from datetime import datetime

from setpoint.guards.candidate import Basis, GuardContext
from setpoint.guards.decide import GUARDS, dispose
from setpoint.guards.memory import TargetMemory
from setpoint.guards.trust import Trust
from setpoint.guards.unjudged import unjudged
from setpoint.model import Decision, Proposal, Reason, TargetState, Verdict
from setpoint.policy.schema import Policy

REPAIR_GUARDS = tuple(guard for guard in GUARDS if guard is not unjudged)
"""A repair does not wait for a verdict: the bounds come first."""


def decide_repair(
    policy: Policy, *, run_id: str, state: TargetState, memory: TargetMemory | None, now: datetime
) -> Decision | None:
    """The decision that brings a target to the nearest bound of the policy; ``None`` when it stands inside.

    It rests on the capacity read and on no metric, so there is no data to distrust (``quality`` is ``pass``), and it
    does not wait for a verdict. Every other guard speaks: an operation in progress, an open change or a cooldown holds
    it, and a far way back is gone in steps of ``max_step``, one reconciliation each.
    """
    limits = policy.limits
    nearest = min(max(state.desired_units, limits.min), limits.max)
    if nearest == state.desired_units:
        return None
    text = f"{state.target} has {state.desired_units} {state.unit}s; the policy allows {limits.min} to {limits.max}"
    proposal = Proposal(target=state.target, to_units=nearest, reasons=(Reason.of("repair", text),))
    trust = Trust(Verdict.PASS)
    remembered = memory or TargetMemory(target=state.target)
    candidate = dispose(
        proposal, GuardContext(policy, state, trust, remembered, now, basis=Basis.REPAIR), REPAIR_GUARDS
    )
    return Decision(
        run_id=run_id,
        policy=policy.name,
        target=state.target,
        action=candidate.action,
        from_units=state.desired_units,
        to_units=candidate.to_units,
        raw_to_units=nearest,
        reasons=candidate.reasons,
        constraints=candidate.constraints,
        quality=trust.verdict,
        dry_run=policy.dry_run,
        decided_at=now,
    )
