"""Measuring what a change did, and recording it once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from setpoint.model import Followed, HealthVerdict
from setpoint.sources.contract import SourceError
from setpoint.steps.observe import observation_ends, observe, record_unjudged, why_unjudged
from setpoint.targets.contract import TargetError
from setpoint.testing.values import NOW

OUTAGE = SourceError("CloudWatch does not answer", retryable=True)


@pytest.fixture
def judge(ledger: Any, target: Any, policy: Any, numbers: Any, store: Any) -> Any:
    """Observes a change when its observation window ends."""

    def go(change: Any, now: Any = None) -> Any:
        return observe(
            change,
            policy=policy,
            sources={"aws.cloudwatch": numbers},
            reader=target,
            store=store,
            ledger=ledger,
            now=now or observation_ends(change, policy),
        )

    return go


def test_healthy_and_degraded(judge, done, numbers) -> None:
    """The numbers before and after make the verdict, and harm is to be taken back."""
    first, second = done("web-1"), done("web-2")
    well = judge(first)
    numbers.value = lambda at: 50.0 if at < second.applied_at else 95.0
    hurt = judge(second)

    assert (well.verdict, well.followed) == (HealthVerdict.HEALTHY, Followed.KEEP)
    assert (hurt.verdict, hurt.followed) == (HealthVerdict.DEGRADED, Followed.ROLL_BACK)
    (reading,) = hurt.readings
    assert (reading.before, reading.after) == (50.0, 95.0)


def test_no_metrics_is_no_evidence(judge, done, numbers) -> None:
    """An empty answer is inconclusive: never healthy, never harm."""
    numbers.silent = True
    outcome = judge(done())
    assert (outcome.verdict, outcome.followed) == (HealthVerdict.INCONCLUSIVE, Followed.KEEP)
    assert outcome.reasons[0].code == "health_inconclusive"


def test_the_first_record_stays(judge, done, ledger, numbers) -> None:
    """A second look at other numbers gives the outcome that was acted on."""
    change = done()
    first = judge(change)
    numbers.value = lambda at: 50.0 if at < change.applied_at else 99.0
    assert judge(change, NOW + timedelta(hours=1)) == first == ledger.outcome_of(change.change_id)


def test_an_outage_leaves_no_record_and_can_be_recorded_as_one(judge, done, ledger, policy, numbers) -> None:
    """While the source may come back nothing is written; giving up is inconclusive, and quotes the source."""
    change = done()
    numbers.error = OUTAGE
    with pytest.raises(SourceError):
        judge(change)
    assert ledger.outcome_of(change.change_id) is None

    outcome = record_unjudged(change, why_unjudged(change, OUTAGE), policy=policy, ledger=ledger, now=NOW)
    assert (outcome.verdict, outcome.followed) == (HealthVerdict.INCONCLUSIVE, Followed.KEEP)
    assert "CloudWatch does not answer" in outcome.reasons[0].text
    numbers.error = None
    assert judge(change) == outcome


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OUTAGE, "health_inconclusive"),
        (TargetError("throttled", code="Throttling", retryable=True), "health_inconclusive"),
        (TargetError("web-1 does not exist", code="target_missing", retryable=False), "target_missing"),
    ],
)
def test_why_there_is_no_evidence(done, error, code) -> None:
    """A target that is gone is told from one, or from a source, that does not answer."""
    assert why_unjudged(done(), error).code == code


def test_a_change_that_was_moved_on_is_not_judged(judge, done, numbers) -> None:
    """Where a later change overlaps, the numbers are not this one's."""
    first = done(minutes_ago=60)
    later = done(before=6, after=8, minutes_ago=58)
    numbers.value = lambda at: 50.0 if at < first.applied_at else 99.0
    outcome = judge(first)
    assert (outcome.verdict, outcome.reasons[0].code) == (HealthVerdict.INCONCLUSIVE, "superseded")
    assert later.change_id in outcome.reasons[0].text
