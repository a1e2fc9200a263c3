"""A decision being carried out.

::

    planned -> applying -> applied -> settled
                  |   \\--> no_op
                  |   \\--> refused
                  \\------> failed
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from setpoint.model.base import Units, UtcDatetime, Value
from setpoint.model.decision import Reason
from setpoint.model.plan import PlannedChange
from setpoint.model.target import TargetState


class ChangeState(StrEnum):
    """Where a change stands."""

    APPLYING = "applying"
    """The intent is written; the call may or may not have reached the provider."""
    APPLIED = "applied"
    """The provider accepted the call; the capacity is on its way."""
    NO_OP = "no_op"
    """The target already stood where the change wanted it. Not a success, not a failure."""
    REFUSED = "refused"
    """A guard or the provider said no before anything changed."""
    FAILED = "failed"
    SETTLED = "settled"
    """The capacity is in service, or the wait for it ended with a reason."""

    @property
    def open(self) -> bool:
        """Whether the target is still moving because of this change."""
        return self in (ChangeState.APPLYING, ChangeState.APPLIED)

    @property
    def effective(self) -> bool:
        """Whether the provider's state was changed."""
        return self in (ChangeState.APPLIED, ChangeState.SETTLED)


class ApplyResult(Value):
    """What came of asking the provider: ``applied``, ``no_op``, ``refused`` or ``failed``."""

    state: ChangeState
    reason: Reason
    before: TargetState | None = None
    after_desired_units: Units | None = None
    request_id: str = ""
    """The provider's request id, for its own audit log."""


class Change(Value):
    """A planned change and how far it has come."""

    plan: PlannedChange
    state: ChangeState
    reason: Reason
    result: ApplyResult | None = None
    intended_at: UtcDatetime
    applied_at: UtcDatetime | None = None
    settled_at: UtcDatetime | None = None
    attempts: int = Field(default=1, ge=1)

    @property
    def change_id(self) -> str:
        return self.plan.change_id
