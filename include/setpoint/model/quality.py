"""Whether a batch can be trusted, target by target."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from setpoint.model.base import Name, UtcDatetime, Value


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
    seconds: float = Field(ge=0)
    """How long judging took."""
    judged_at: UtcDatetime

    def of(self, target: str, metrics: tuple[str, ...] | None = None) -> tuple[SeriesQuality, ...]:
        """The series of one target, of the given metrics or of all."""
        return tuple(one for one in self.series if one.target == target and (metrics is None or one.metric in metrics))
