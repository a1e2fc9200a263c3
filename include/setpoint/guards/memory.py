"""What is remembered of a target from one run to the next. The ledger fills it, so it survives a restart."""

from __future__ import annotations

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
    last_to_units: Units | None = None
    """Where the last effective change took the target."""

    @property
    def last_change_at(self) -> UtcDatetime | None:
        """When the target last changed, in whichever direction."""
        return max((moment for moment in (self.last_out_at, self.last_in_at) if moment is not None), default=None)
