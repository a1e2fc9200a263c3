"""What a guard sees and what it hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from setpoint.guards.evidence import Evidence
from setpoint.guards.memory import TargetMemory
from setpoint.guards.trust import Trust
from setpoint.model import Action, Constraint, Proposal, Reason, TargetState, direction
from setpoint.policy.schema import Policy


class Basis(StrEnum):
    """What a proposal rests on. Only metrics can be wrong about the world; the others are somebody's declared will."""

    METRICS = "metrics"
    REQUEST = "request"
    """A person, or a program for one, asked for a capacity."""
    FALLBACK = "fallback"
    """The policy says what applies when the data keeps failing."""
    REPAIR = "repair"
    """The target stands outside the policy's bounds."""


@dataclass(frozen=True)
class GuardContext:
    """Everything a guard may look at, for one target."""

    policy: Policy
    state: TargetState
    trust: Trust
    memory: TargetMemory
    now: datetime
    pulled_at: datetime | None = None
    """When the metrics behind the proposal were pulled; ``None`` when it rests on none (a person's wish, a repair)."""
    basis: Basis = Basis.METRICS
    evidence: Evidence = field(default_factory=Evidence)
    """What guards between metrics ask about."""


@dataclass(frozen=True)
class Candidate:
    """A decision in the making: where it stands after the guards so far, and what they said."""

    from_units: int
    to_units: int
    reasons: tuple[Reason, ...]
    """The reason that settles it first; never empty."""
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(cls, proposal: Proposal, state: TargetState) -> Candidate:
        """A strategy's proposal, before any guard."""
        return cls(from_units=state.desired_units, to_units=proposal.to_units, reasons=proposal.reasons)

    @property
    def action(self) -> Action:
        return direction(self.from_units, self.to_units)

    def moved(self, guard: str, to_units: int, reason: Reason) -> Candidate:
        """The same direction, another distance; the guard's reason comes after the strategy's."""
        return replace(self, to_units=to_units, reasons=(*self.reasons, reason))._constrained(self, guard, reason)

    def held(self, guard: str, reason: Reason) -> Candidate:
        """No change; the guard's reason comes first, because it is why."""
        return replace(self, to_units=self.from_units, reasons=(reason, *self.reasons))._constrained(
            self, guard, reason
        )

    def noted(self, reason: Reason) -> Candidate:
        """Unchanged, with one more thing worth knowing."""
        return replace(self, reasons=(*self.reasons, reason))

    def _constrained(self, before: Candidate, guard: str, reason: Reason) -> Candidate:
        constraint = Constraint(guard=guard, from_units=before.to_units, to_units=self.to_units, reason=reason)
        return replace(self, constraints=(*before.constraints, constraint))


Guard = Callable[[Candidate, GuardContext], Candidate]
"""A pure function. It is only asked about a candidate that changes something, and never turns its direction round."""
