"""Waiting for capacity: in service, slow, failed, moved on, gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from setpoint.model import Activity, ActivityStatus, ChangeState
from setpoint.steps.settle import settle, settle_by
from setpoint.testing.values import NOW

FAILED_LAUNCH = Activity(
    activity_id="1",
    status=ActivityStatus.FAILED,
    description="Launching a new EC2 instance",
    status_message="We currently do not have sufficient capacity",
    started_at=NOW,
)
SLOW_LAUNCH = FAILED_LAUNCH.model_copy(update={"status": ActivityStatus.IN_PROGRESS, "status_message": ""})


@pytest.fixture
def look(ledger: Any, target: Any, policy: Any, clock: Any) -> Any:
    """Looks once at one change."""

    def go(change: Any) -> Any:
        (after,) = settle([change], policy=policy, target=target, ledger=ledger, now=clock.now)
        assert ledger.change(change.change_id) == after
        return after

    return go


def test_in_service(look, done, target) -> None:
    """All of the capacity is there: settled. On its way: still applied."""
    change = done(settled=False, minutes_ago=1)
    target.in_service["web-1"] = 5
    assert look(change).state is ChangeState.APPLIED
    target.in_service["web-1"] = 6
    after = look(change)
    assert (after.state, after.reason.code) == (ChangeState.SETTLED, "in_service")
    assert "6 of 6" in after.reason.text


def test_scaling_in_is_settled_when_the_capacity_is_gone(look, done, target) -> None:
    """Fewer is what was asked for, so more in service is what is waited for."""
    change = done(before=4, after=3, settled=False, minutes_ago=1)
    target.in_service["web-1"] = 4
    assert look(change).state is ChangeState.APPLIED
    target.in_service["web-1"] = 3
    assert look(change).reason.code == "in_service"


def test_time_is_up(look, done, target, clock, policy) -> None:
    """At the policy's time, and not before, the wait ends with how much is missing."""
    change = done(settled=False, minutes_ago=0)
    target.in_service["web-1"] = 5
    clock.now = settle_by(change, policy) - timedelta(seconds=1)
    assert look(change).state is ChangeState.APPLIED
    clock.pass_(seconds=1)
    after = look(change)
    assert (after.state, after.reason.code) == (ChangeState.SETTLED, "not_in_service_in_time")
    assert "5 of 6" in after.reason.text


def test_a_failed_launch_is_told_from_a_slow_one(look, done, target) -> None:
    """A launch in progress is waited for; one that failed ends the wait with the provider's own words."""
    change = done(settled=False, minutes_ago=1)
    target.in_service["web-1"] = 4
    target.activities = (SLOW_LAUNCH,)
    assert look(change).state is ChangeState.APPLIED
    target.activities = (FAILED_LAUNCH,)
    after = look(change)
    assert (after.state, after.reason.code) == (ChangeState.SETTLED, "launch_failed")
    assert "sufficient capacity" in after.reason.text


def test_a_launch_that_scaling_in_cancelled_is_no_failure(look, done, target) -> None:
    """Scaling in cancels launches on their way, which the provider tells as failed."""
    change = done(before=4, after=3, settled=False, minutes_ago=1)
    target.in_service["web-1"] = 4
    target.activities = (FAILED_LAUNCH,)
    assert look(change).state is ChangeState.APPLIED


@pytest.mark.parametrize(("desired", "code"), [(8, "superseded"), (None, "target_missing")])
def test_there_is_nothing_to_wait_for_any_more(look, done, target, desired, code) -> None:
    """A target that somebody moved on, or that is gone, ends the wait."""
    change = done(settled=False)
    target.in_service["web-1"] = 5
    if desired is None:
        del target.desired["web-1"]
    else:
        target.desired["web-1"] = desired
    after = look(change)
    assert (after.state, after.reason.code) == (ChangeState.SETTLED, code)


def test_nothing_waiting_asks_nobody(done, ledger, policy) -> None:
    """Settled changes are returned as they are, in their order, without a look at any target."""
    changes = [done("web-1"), done("web-2")]
    assert settle(changes, policy=policy, target=None, ledger=ledger, now=NOW) == tuple(changes)
