"""The quality gate: degraded data takes nothing away, and adds only where the policy says so."""

from __future__ import annotations

from setpoint.guards.candidate import Basis, Candidate, GuardContext
from setpoint.guards.trust import Trust
from setpoint.model import Action, Reason, Verdict
from setpoint.policy.schema import OnDegraded


def quarantine_reason(trust: Trust, source_broken: str = "") -> Reason:
    """Why a target is quarantined, so that nobody even asks the strategy: its own data failed, or the source is broken.

    :param source_broken: what is wrong with the source of the whole fleet; empty when nothing is.
    """
    if source_broken:
        return Reason.of("source_broken", f"the source is broken, not the targets: {source_broken}")
    return Reason.of("quality_failed", f"the data cannot be trusted: {trust}")


def quality(candidate: Candidate, context: GuardContext) -> Candidate:
    """Clean data passes. Degraded data may scale out when every degraded metric says ``on_degraded: hold_scale_in``.

    Scaling in needs a clean pass, whatever the policy says. Data that failed changes nothing. A capacity that somebody
    asks for, a fallback or a repair does not rest on the data: it goes ahead, and a request is told of the data.
    """
    trust = context.trust
    if trust.verdict is Verdict.PASS or context.basis in (Basis.FALLBACK, Basis.REPAIR):
        return candidate
    if context.basis is Basis.REQUEST:
        text = f"the data is not clean, which does not stop what somebody asks for: {trust or 'see the report'}"
        return candidate.noted(Reason.of("requested_on_bad_data", text))
    if trust.verdict is Verdict.FAIL:
        return candidate.held("quality", quarantine_reason(trust))
    allowed = all(context.policy.quality_of(one).on_degraded is OnDegraded.HOLD_SCALE_IN for one in trust.degraded)
    if candidate.action is Action.SCALE_OUT and allowed:
        text = f"the data is degraded, and on_degraded: hold_scale_in lets capacity be added: {trust}"
        return candidate.noted(Reason.of("degraded_scale_out", text))
    rule = "scaling in needs clean data" if candidate.action is Action.SCALE_IN else "on_degraded: hold"
    return candidate.held("quality", Reason.of("quality_degraded", f"the data is degraded ({rule}): {trust}"))
