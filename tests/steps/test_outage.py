"""Sources that do not answer, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from setpoint.model import Completeness, Verdict
from setpoint.sources.contract import SourceError
from setpoint.steps.consequences import judge_and_remember, remember_verdict
from setpoint.steps.outage import pull_through_outage
from setpoint.testing.values import a_policy

DOWN = SourceError("CloudWatch does not answer", retryable=True)
DENIED = SourceError("CloudWatch says AccessDenied: allow cloudwatch:GetMetricData", retryable=False)
CPU = a_policy().to_json()["metrics"]["cpu"]


@pytest.fixture
def pull(ledger: Any, numbers: Any, store: Any, clock: Any) -> Any:
    """Pulls for both groups: ``pull(policy)``, on the last try unless told otherwise."""

    def go(policy: Any, *, last_try: bool = True, asked: bool = False, sources: Any = None) -> Any:
        clock.pass_(minutes=1)
        return pull_through_outage(
            policy,
            ("web-1", "web-2"),
            run_id=f"web/{clock.now:%H%M}",
            sources=sources or {"aws.cloudwatch": numbers},
            store=store,
            ledger=ledger,
            now=clock.now,
            last_try=last_try,
            asked=asked,
        )

    return go


def failures(ledger: Any) -> dict[str, int]:
    """How many batches have failed in a row, by target."""
    return {target: one.failures for target, one in ledger.streaks("web").items()}


def test_an_outage_is_a_failed_batch_for_every_target(pull, ledger, numbers) -> None:
    """It is raised, so that the run fails where people see it, and counted, so that the fallback comes due."""
    numbers.error = DOWN
    with pytest.raises(SourceError, match="does not answer"):
        pull(a_policy())

    assert failures(ledger) == {"web-1": 1, "web-2": 1}
    (incident,) = ledger.incidents("web")
    assert (incident.is_open, incident.text) == (True, "aws.cloudwatch does not answer: CloudWatch does not answer")


def test_what_may_pass_is_tried_again_before_it_counts(pull, ledger, numbers) -> None:
    """While the task has tries left nothing is counted; what is refused for good counts at once."""
    numbers.error = DOWN
    with pytest.raises(SourceError):
        pull(a_policy(), last_try=False)
    assert failures(ledger) == {}

    numbers.error = DENIED
    with pytest.raises(SourceError, match="AccessDenied"):
        pull(a_policy(), last_try=False)
    assert failures(ledger) == {"web-1": 1, "web-2": 1}


def test_a_fallback_that_is_due_gets_a_batch_that_says_nothing(pull, ledger, numbers) -> None:
    """From its number on the run goes on, with every series empty and the error as the source's word on it."""
    numbers.error = DOWN
    policy = a_policy(fallback={"after": 3, "then": {"capacity": 6}})
    for _ in range(2):
        with pytest.raises(SourceError):
            pull(policy)
    batch = pull(policy)

    assert failures(ledger) == {"web-1": 3, "web-2": 3}
    assert (batch.rows, {one.status for one in batch.series}) == (0, {Completeness.ERROR})
    assert batch.series[0].messages == ("CloudWatch does not answer",)
    assert ledger.incidents("web")[0].batches == 3


def test_a_fallback_of_hold_has_nothing_to_go_on_to(pull, ledger, numbers) -> None:
    """However long it lasts, the run fails, and its events wait for the next one."""
    numbers.error = DOWN
    for _ in range(4):
        with pytest.raises(SourceError):
            pull(a_policy(fallback={"after": 2, "then": "hold"}))
    assert failures(ledger) == {"web-1": 4, "web-2": 4}


def test_what_somebody_asks_for_goes_on(pull, numbers) -> None:
    """A person's wish rests on no metrics, so it does not fail for want of them."""
    numbers.error = DOWN

    assert pull(a_policy(), asked=True).rows == 0


def test_a_metric_that_decides_nothing_stops_nothing(pull, ledger, numbers) -> None:
    """The source of a guard's metric is down: what decides is read, and the gate says of the other that it is not."""
    policy = a_policy(
        metrics={"cpu": CPU, "errors": {**CPU, "connection": "aws_other"}},
        guards={"no_scale_in_while": [{"metric": "errors", "above": 5}]},
    )
    silent = type(numbers)(error=DOWN)
    batch = pull(policy, sources={"aws.cloudwatch": numbers, "aws.cloudwatch via aws_other": silent})

    assert {(one.metric, one.status) for one in batch.series} == {
        ("cpu", Completeness.COMPLETE),
        ("errors", Completeness.ERROR),
    }
    assert (failures(ledger), ledger.incidents("web")) == ({}, [])


def test_the_verdict_of_an_unanswered_batch_is_the_same_incident(pull, ledger, numbers, store, clock) -> None:
    """Pulling and deciding tell one incident, whatever the fleet's size, and a batch with numbers closes it."""
    numbers.error = DOWN
    policy = a_policy(fallback={"after": 1, "then": {"capacity": 6}})
    batch = pull(policy)
    report = judge_and_remember(policy, "web/1", batch, store=store, ledger=ledger, now=clock.now)
    told = remember_verdict(policy, "web/1", batch, report, ledger)

    assert {one.verdict for one in report.series} == {Verdict.FAIL}
    assert (told.incident.is_open, told.incident.batches, told.streaks["web-1"].failures) == (True, 1, 1)

    numbers.error = None
    batch = pull(policy)
    report = judge_and_remember(policy, "web/2", batch, store=store, ledger=ledger, now=clock.now)
    told = remember_verdict(policy, "web/2", batch, report, ledger)
    assert (told.incident.is_open, told.incident.closed_by) == (False, "web/2")
    assert (told.streaks["web-1"].failures, told.streaks["web-1"].ended) == (0, 1)
    assert remember_verdict(policy, "web/2", batch, report, ledger) == told, "a retry says the same"


def test_what_was_accepted_is_remembered_and_what_failed_is_not(pull, ledger, numbers, store, clock) -> None:
    """The gate's memory of a series is of batches it accepted; the same batch judged again adds nothing."""
    policy = a_policy()
    batch = pull(policy)
    for _ in range(2):
        judge_and_remember(policy, "web/1", batch, store=store, ledger=ledger, now=clock.now)
    remembered = ledger.series_history("web")
    assert {(one.target, one.batches, one.median) for one in remembered} == {("web-1", 1, 50.0), ("web-2", 1, 50.0)}

    numbers.value = lambda at: 0.0
    batch = pull(policy)
    report = judge_and_remember(policy, "web/2", batch, store=store, ledger=ledger, now=clock.now)
    assert report.verdict is Verdict.FAIL
    assert ledger.series_history("web") == remembered
