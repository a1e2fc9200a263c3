"""What is remembered of a target from one run to the next. The ledger fills it, so it survives a restart."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from setpoint.model.base import Name, Units, UtcDatetime, Value


class TargetMemory(Value):
    """The last effective changes of one target, by whichever policy; a dry run leaves no trace here."""

    target: Name
    last_out_at: UtcDatetime | None = None
    """When capacity was last added."""
    last_in_at: UtcDatetime | None = None
    """When capacity was last taken away."""
    open_change_id: Name | None = None
    """The change that is still being carried out, if there is one."""
    last_from_units: Units | None = None
    """Where the last effective change found the target."""
    last_to_units: Units | None = None
    """Where the last effective change took the target."""
    unjudged_change_id: Name | None = None
    """The last effective change while it waits for its verdict, or for the rollback that follows from it.

    A rollback itself is never unjudged: its outcome is recorded much later, and nothing follows from it.
    """

    @model_validator(mode="after")
    def _since_when(self) -> Self:
        if self.unjudged_change_id is not None and self.last_change_at is None:
            raise ValueError(f"change {self.unjudged_change_id} is unjudged, and nothing says when it was applied")
        return self

    @property
    def last_change_at(self) -> UtcDatetime | None:
        """When the target last changed, in whichever direction."""
        return max((moment for moment in (self.last_out_at, self.last_in_at) if moment is not None), default=None)
