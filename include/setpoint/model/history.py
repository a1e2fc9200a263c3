"""What the gate remembers of a series: small enough to keep for every target and metric of a fleet."""

from __future__ import annotations

from typing import Self

from pydantic import Field, FiniteFloat, model_validator

from setpoint.model.base import Name, UtcDatetime, Value


class ZeroDoubt(Value):
    """Zeros that came and went where history knows none, and were not believed. What recurs is no outage in the end."""

    since: UtcDatetime
    """When the first of them was seen."""
    last: UtcDatetime
    """When the last occasion was first seen."""
    occasions: int = Field(ge=1)
    """How often they came, with values in between."""
    run: int = Field(ge=1)
    """The most of them in a row."""


class SeriesHistory(Value):
    """One target's series of one metric in the batches the gate accepted (its series passed), newest included.

    What is unusual can only be told from what is usual: a zero where there never was one, a value that stands still
    where it always moved, a level far from the one before. The gate makes it
    (:func:`setpoint.quality.judge.judge_fleet`), whoever calls the gate keeps it, and gives it back for the next batch.
    """

    target: Name
    metric: Name
    batch_id: Name
    """The last accepted batch. The same batch judged again adds nothing."""
    accepted_at: UtcDatetime
    """When the last accepted batch was pulled."""
    batches: int = Field(ge=1)
    """Accepted batches."""
    points: int = Field(ge=1)
    """Finite points in all of them; one that several windows share counts in each."""
    zeros: int = Field(ge=0)
    """How many of those were zero."""
    median: FiniteFloat
    """Of the last accepted batch."""
    spread: FiniteFloat = Field(ge=0)
    """Of the last accepted batch: 1.4826 times the median absolute deviation from the median."""
    lowest: FiniteFloat
    highest: FiniteFloat
    longest_run: int = Field(ge=1)
    """The most points in a row with the very same value."""
    zero_run: int | None = Field(default=None, ge=0)
    """The most zeros in a row that were believed; ``None`` in a history of a version that did not count them."""
    zero_doubt: ZeroDoubt | None = None
    """What may yet show that the series is zero at times (``zero_guard: history``)."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.zeros > self.points:
            raise ValueError(f"{self.zeros} of {self.points} points cannot be zero")
        if not self.lowest <= self.median <= self.highest:
            raise ValueError(f"the median {self.median:g} must lie in {self.lowest:g} to {self.highest:g}")
        return self
