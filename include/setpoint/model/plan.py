"""The decisions of one run that change something."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from setpoint.model.base import Name, Units, UtcDatetime, Value, digest
from setpoint.model.decision import Action, Decision, direction


class PlannedChange(Value):
    """One decision ready to be carried out. Its identity is a hash of what and why."""

    change_id: Name
    policy: Name
    run_id: Name
    target: Name
    target_kind: Name
    action: Action
    from_units: Units
    to_units: Units
    reason: str
    """The decision's first reason, for people who read the provider's own history."""
    dry_run: bool
    reverts: Name | None = None
    """The change this one takes back, if it takes one back."""
    metrics_pulled_at: UtcDatetime | None = None
    """When the metrics it rests on were pulled; ``None`` when it rests on none: a wish, a repair, a roll-back."""

    @classmethod
    def of(cls, decision: Decision, target_kind: str, reverts: str | None = None) -> Self:
        """The change that carries out a decision. The same decision of the same run gives the same ``change_id``.

        :raises ValueError: the decision changes nothing.
        """
        if not decision.action.changes or decision.from_units is None or decision.to_units is None:
            raise ValueError(f"{decision.target}: {decision.action} changes nothing, so there is no change to plan")
        what = (decision.target, decision.from_units, decision.to_units, reverts)
        return cls(
            change_id=digest(decision.policy, decision.run_id, target_kind, *what),
            policy=decision.policy,
            run_id=decision.run_id,
            target=decision.target,
            target_kind=target_kind,
            action=decision.action,
            from_units=decision.from_units,
            to_units=decision.to_units,
            reason=decision.reasons[0].text,
            dry_run=decision.dry_run,
            reverts=reverts,
            metrics_pulled_at=decision.metrics_pulled_at,
        )

    def reversed(self, reason: str, attempt: int = 1) -> Self:
        """The change that takes this one back, in the same run. The same change and attempt always give the same one.

        :param attempt: from 1; one more for each earlier one that ended without taking anything back.
        """
        what = (self.target, self.to_units, self.from_units, self.change_id, *([attempt] if attempt > 1 else []))
        return self.model_copy(
            update={
                "change_id": digest(self.policy, self.run_id, self.target_kind, *what),
                "action": direction(self.to_units, self.from_units),
                "from_units": self.to_units,
                "to_units": self.from_units,
                "reason": reason,
                "reverts": self.change_id,
                "metrics_pulled_at": None,
            }
        )


class Plan(Value):
    """What one run is about to change, as one value with a hash and an expiry."""

    plan_id: Name
    policy: Name
    run_id: Name
    changes: tuple[PlannedChange, ...]
    units_delta: int
    """Sum of ``to_units - from_units`` over the changes."""
    created_at: UtcDatetime
    expires_at: UtcDatetime
    """A plan that was not carried out by then is refused."""
    hash: str = Field(pattern=r"^[0-9a-f]{32}$")

    @model_validator(mode="after")
    def _hash_is_true(self) -> Self:
        if self.hash != plan_hash(self.changes):
            raise ValueError("the plan's hash does not belong to its changes: they were altered after planning")
        return self


def plan_hash(changes: tuple[PlannedChange, ...]) -> str:
    """The identity of a set of changes, whatever their order."""
    return digest(sorted([one.change_id, one.from_units, one.to_units, one.dry_run] for one in changes))
