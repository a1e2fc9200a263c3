"""How often in a row a target's batches failed the gate, and the incident of a source that is broken."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from setpoint.model.base import Name, UtcDatetime, Value


class Streak(Value):
    """One target's failed batches in a row, the newest one included."""

    target: Name
    failures: int = Field(default=0, ge=0)
    """Failed batches in a row; 0 when the newest one did not fail. Batches over the same window count once."""
    since: UtcDatetime | None = None
    """When the first of these failed batches was counted."""
    ended: int = Field(default=0, ge=0)
    """How many failed batches in a row the newest one, which did not fail, has ended."""
    window_end: UtcDatetime
    """The end of the newest window that was counted."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if bool(self.failures) != (self.since is not None):
            raise ValueError(f"{self.failures} failures in a row, since {self.since}: both or neither")
        if self.failures and self.ended:
            raise ValueError("a batch that failed ends no row of failures")
        return self


def count_batch(
    before: Streak | None, target: str, *, failed: bool, window_end: UtcDatetime, now: UtcDatetime
) -> Streak:
    """The streak after one more batch.

    A batch whose window is not newer than the last one counted asks the same question again, or an older one: it
    neither adds a failure, nor does an older one end a row. So a retry, a burst of events within one period, or two
    runs that overtake each other count once. A count that stands in the future (a clock that was set back) binds
    nobody.

    :param failed: whether the gate failed the batch for this target.
    :param window_end: the end of the batch's window.
    """
    known = before if before is not None and before.window_end <= now else None
    newer = known is None or window_end > known.window_end
    if failed:
        if not newer:
            assert known is not None
            return known
        failures, since = (known.failures, known.since) if known and known.failures else (0, now)
        return Streak(target=target, failures=failures + 1, since=since, window_end=window_end)
    if known is not None and window_end < known.window_end:
        return known
    if known is not None and not newer and not known.failures:
        return known
    return Streak(target=target, ended=known.failures if known else 0, window_end=window_end)


class Incident(Value):
    """A source that is broken: opened by the first batch that shows it, closed by the first that shows it mended."""

    incident_id: Name
    policy: Name
    kind: Name
    """``source_broken``."""
    text: str = Field(min_length=1)
    """What is wrong, as the newest batch shows it."""
    opened_at: UtcDatetime
    opened_by: Name
    """The run whose batch showed it first."""
    batches: int = Field(ge=1)
    """Batches that showed it; those over the same window count once."""
    last_at: UtcDatetime
    """When a batch showed it last."""
    last_run: Name
    window_end: UtcDatetime
    """The end of the newest window that showed it."""
    closed_at: UtcDatetime | None = None
    closed_by: Name | None = None
    """The run whose batch showed the source mended."""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def __str__(self) -> str:
        state = "open" if self.is_open else f"closed at {self.closed_at:%F %T}"
        batches = "1 batch" if self.batches == 1 else f"{self.batches} batches"
        return f"incident {self.incident_id[:8]}, {state}, since {self.opened_at:%F %T}, {batches}: {self.text}"
