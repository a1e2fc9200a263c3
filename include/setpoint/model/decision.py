"""What to do about a target, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field

from setpoint.model.base import Name, Units, UtcDatetime, Value
from setpoint.model.quality import Verdict
from setpoint.model.signal import Signal


class Action(StrEnum):
    """What a decision does. The members stand in the order of safety: an earlier one wins a conflict.

    More capacity is safer than the capacity there is, that is safer than less; and doing nothing because the data
    cannot be trusted comes before all of them.
    """

    QUARANTINE = "quarantine"
    """The data cannot be trusted: nothing changes, the batch is kept aside."""
    SCALE_OUT = "scale_out"
    HOLD = "hold"
    SCALE_IN = "scale_in"

    @property
    def changes(self) -> bool:
        """Whether the action changes capacity."""
        return self in (Action.SCALE_OUT, Action.SCALE_IN)


def direction(from_units: int, to_units: int) -> Action:
    """The action that leads from one capacity to another."""
    if to_units > from_units:
        return Action.SCALE_OUT
    return Action.SCALE_IN if to_units < from_units else Action.HOLD


_REASON_LENGTH = 1000


class Reason(Value):
    """Why, once for programs and once for people."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Stable and machine-readable; listed in the reference."""
    text: str = Field(min_length=1, max_length=_REASON_LENGTH)
    """A sentence with the numbers in it."""

    @classmethod
    def of(cls, code: str, text: str) -> Self:
        """A reason whose text may quote the outside world: one line, cut with an ellipsis where it is too long."""
        line = " ".join(text.split())
        return cls(code=code, text=line if len(line) <= _REASON_LENGTH else f"{line[: _REASON_LENGTH - 1]}…")


class Proposal(Value):
    """What a strategy would do, before any guard has spoken."""

    target: Name
    to_units: Units
    reasons: tuple[Reason, ...] = Field(min_length=1)


class Constraint(Value):
    """A guard that moved the proposal, and by how much."""

    guard: Name
    from_units: Units
    """Where the proposal stood before this guard."""
    to_units: Units
    reason: Reason


class Decision(Value):
    """What is done about one target in one run. Holding is a decision too, and has its reason."""

    run_id: Name
    policy: Name
    target: Name
    action: Action
    from_units: Units | None
    """The desired capacity read; ``None`` when the target could not be read."""
    to_units: Units | None
    raw_to_units: Units | None
    """What the strategy wanted before the guards."""
    reasons: tuple[Reason, ...] = Field(min_length=1)
    constraints: tuple[Constraint, ...] = ()
    quality: Verdict
    signals: tuple[Signal, ...] = ()
    event_ids: tuple[Name, ...] = ()
    dry_run: bool = False
    metrics_pulled_at: UtcDatetime | None = None
    """When the metrics it rests on were pulled; ``None`` when it rests on none: a person's wish, a repair."""
    decided_at: UtcDatetime
