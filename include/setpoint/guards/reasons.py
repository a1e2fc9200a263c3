"""Every reason code of the pure rooms, and what it means. The reference is made from it; a test keeps it whole."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PROPOSAL_CODES: Mapping[str, str] = MappingProxyType(
    {
        "above_threshold": "N of the newest M points are above the threshold: more capacity is proposed.",
        "below_threshold": "N of the newest M points are below the threshold: less capacity is proposed.",
        "within_thresholds": "Neither rule is met: nothing is proposed.",
        "not_enough_points": "Points are missing that a rule needs to speak, so nothing is proposed.",
        "no_signal": "The target has no value of a metric the strategy reads. A missing value is not a number.",
        "repair": "The target stands outside the policy's bounds, and the policy says reconcile: repair.",
        "fallback": "The data failed so many times in a row that the capacity of the policy's fallback applies.",
        "fallback_hold": "The policy's fallback applies, and leaves the capacity as it is.",
        "requested": "A person, or a program on a person's behalf, asked for this capacity.",
    }
)
"""What a strategy says."""

GUARD_CODES: Mapping[str, str] = MappingProxyType(
    {
        "target_missing": "The target is not there, or could not be read.",
        "unknown_target": "A request named a target that is not one of the policy's.",
        "quality_failed": "The data failed the quality gate: the target is quarantined, nothing changes.",
        "source_broken": "So many targets failed at once that the source is broken: nothing changes for any of them.",
        "failed_in_a_row": "How many batches have failed in a row, and after how many the fallback applies.",
        "recovered": "The data did not fail any more after so many failed batches in a row: the count begins anew.",
        "requested_on_bad_data": "The data is not clean. Somebody asked for this capacity, so that does not stop it.",
        "quality_degraded": "The data is usable but not clean, and this direction needs it clean: held.",
        "degraded_scale_out": "The data is degraded, and the policy lets capacity be added on it all the same.",
        "degraded_step": "The data is degraded, so only a part of the step that clean data would take is added.",
        "sources_disagree": "A second metric that scaling in needs does not agree: held.",
        "agreement_unknown": "Whether a second metric agrees to scaling in is not known: held.",
        "upstream_condition": "A condition holds while which nothing is taken away: held.",
        "upstream_unknown": "Whether a condition holds while which nothing is taken away is not known: held.",
        "operation_in_progress": "Another operation on the target, such as an instance refresh, forbids it: held.",
        "change_in_progress": "Another change of the same target is not finished: held.",
        "changed_since_pull": "The metrics are from before the target's last change: held; when applying: refused.",
        "change_unjudged": "The last change has no verdict yet, or is about to be taken back: held until then.",
        "bounds": "The proposal was brought inside the bounds of policy and provider.",
        "bounds_conflict": "No capacity is allowed by the policy and the provider both: held until their ranges meet.",
        "at_max": "More was wanted, and no more is allowed: held.",
        "at_min": "Less was wanted, and no less is allowed: held.",
        "max_step": "The proposal was cut to the largest step allowed; when applying: refused, because it is larger.",
        "cooldown": "The target rested after its last change when the metrics were pulled, or rests still: held.",
    }
)
"""What a guard says when deciding; several of them are also reasons to refuse when applying."""

RECHECK_CODES: Mapping[str, str] = MappingProxyType(
    {
        "dry_run": "Decided and recorded only; nothing may be carried out.",
        "plan_expired": "The plan was not carried out in its time: refused. The next run looks at fresh numbers.",
        "capacity_moved": "The target no longer has the capacity the plan started from: refused.",
        "out_of_bounds": "The change leads out of the bounds as they are now: refused.",
    }
)
"""What the guards say when applying, beyond their words when deciding."""

ROLLBACK_CODES: Mapping[str, str] = MappingProxyType(
    {
        "rollback_of_rollback": "A rollback is not itself rolled back: a fleet must not swing by its own hand.",
        "not_effective": "The change changed nothing, so there is nothing to judge or to take back.",
        "already_back": "The target has its capacity from before the change again.",
        "superseded": "A later change of the target holds: this one is neither judged nor taken back.",
    }
)
"""Why a change is, or is not, taken back."""

OUTCOME_CODES: Mapping[str, str] = MappingProxyType(
    {
        "health_improved": "These health metrics are inside their limits, and clearly better than before.",
        "health_healthy": "These health metrics are inside their limits.",
        "health_degraded": "These health metrics are beyond their limits, and worse than before.",
        "health_inconclusive": "These health metrics do not say: too few samples, or beyond a limit but no worse.",
        "more_unhealthy": "More units are unhealthy by the provider's own checks than before the change.",
        "launch_failed": "The provider failed to launch what was asked for; its own message is quoted.",
        "terminate_failed": "The provider failed to take capacity away; its own message is quoted.",
        "still_arriving": "Capacity is missing, and the provider is at work on it.",
        "not_in_service": "Capacity is missing, and the provider neither works on it nor reports a failure.",
        "arrival_unknown": "The provider could not be read, and the capacity was never seen in service.",
        "roll_back": "Health got worse, so the change is taken back, as the policy says.",
        "kept_by_policy": "Health got worse; the policy keeps the change.",
        "capacity_never_came": "Health got worse, but none of the capacity came: the change is kept.",
    }
)
"""What an outcome says."""

REASONS: Mapping[str, str] = MappingProxyType(
    {**PROPOSAL_CODES, **GUARD_CODES, **RECHECK_CODES, **ROLLBACK_CODES, **OUTCOME_CODES}
)
"""All of them, by code."""
