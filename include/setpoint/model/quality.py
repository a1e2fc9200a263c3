"""Whether a batch can be trusted, target by target."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, FiniteFloat

from setpoint.model.base import Name, UtcDatetime, Value

MOST_OFFENDING = 20
"""How many offending points a check names at most."""


class Verdict(StrEnum):
    """What the gate says. From best to worst: ``pass``, ``degraded``, ``fail``."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    DEGRADED = "degraded"
    FAIL = "fail"

    @property
    def severity(self) -> int:
        return list(Verdict).index(self)


def worst(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The worst of some verdicts. Of none it is ``fail``: what nobody checked is not trusted."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.FAIL)


class Check(Value):
    """One expectation's result for one series."""

    expectation: Name
    """The policy's word for it: ``freshness``, ``coverage``, ``range`` ..."""
    held: bool
    severity: Verdict
    """What the series' verdict becomes when it does not hold."""
    observed: str
    """The number found, with its unit."""
    allowed: str
    """What would have held, with its unit."""
    number: FiniteFloat | None = None
    """The number that decided (a count, a share, seconds); ``None`` when there is none, as for the age of no point."""
    limit: FiniteFloat | None = None
    """What ``number`` was held against; ``None`` when there was no limit."""
    offending: tuple[UtcDatetime, ...] = Field(default=(), max_length=MOST_OFFENDING)
    """The times of the points that broke it, oldest first, the first :data:`MOST_OFFENDING` of them; empty where the
    trouble is no point: one that is missing, or a source's word."""


class SeriesQuality(Value):
    """The verdict on one target's series of one metric."""

    target: Name
    metric: Name
    verdict: Verdict
    checks: tuple[Check, ...]

    @property
    def broken(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if not check.held)


class FleetQuality(Value):
    """One deciding metric over the whole fleet: whether so many targets fail at once that its source must be broken."""

    metric: Name
    source: Name
    """The metric's source, as the policy names it."""
    targets: int = Field(ge=1)
    failing: int = Field(ge=0)
    """Targets whose series of the metric failed."""
    max_failing: float = Field(ge=0, le=1)
    """The share of targets that may fail before it is the source that is broken."""
    broken: bool
    text: str = Field(min_length=1)
    """The same in a sentence."""


class QualityReport(Value):
    """The gate's report on one batch."""

    batch_id: Name
    policy: Name
    suite: Name
    """The Great Expectations suite that judged it."""
    verdict: Verdict
    """The worst verdict in the fleet."""
    frame_problems: tuple[str, ...] = ()
    """What is wrong with the frame as a whole (columns, types, checksum); any of these fails every target."""
    series: tuple[SeriesQuality, ...]
    fleet: tuple[FleetQuality, ...] = ()
    """The deciding metrics over the whole fleet; empty for a fleet too small to tell a source from its targets."""
    seconds: float = Field(ge=0)
    """How long judging took."""
    judged_at: UtcDatetime

    @property
    def source_broken(self) -> tuple[FleetQuality, ...]:
        """The metrics whose source is broken. With any of these nothing may change, whatever the series say."""
        return tuple(one for one in self.fleet if one.broken)

    def of(self, target: str, metrics: tuple[str, ...] | None = None) -> tuple[SeriesQuality, ...]:
        """The series of one target, of the given metrics or of all."""
        return tuple(one for one in self.series if one.target == target and (metrics is None or one.metric in metrics))
