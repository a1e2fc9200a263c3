"""Failed batches in a row, kept in the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from setpoint.ledger import Ledger
from setpoint.testing.values import NOW


def minutes(number: int):
    """The end of a window, so many minutes after the first one."""
    return NOW - timedelta(hours=2) + timedelta(minutes=number)


def test_failures_are_counted_by_policy_and_target(ledger: Ledger) -> None:
    """Each target of each policy has its own row of failures, and recovery ends it."""
    for minute in (1, 2):
        ledger.count_batch("web", {"web-1": True, "web-2": False}, minutes(minute))
    ledger.count_batch("api", {"web-1": True}, minutes(2))

    assert {target: one.failures for target, one in ledger.streaks("web").items()} == {"web-1": 2}
    assert ledger.streaks("api")["web-1"].failures == 1

    after = ledger.count_batch("web", {"web-1": False, "web-2": False}, minutes(3))

    assert (after["web-1"].failures, after["web-1"].ended) == (0, 2)
    assert (after["web-2"].failures, after["web-2"].ended) == (0, 0)
    assert ledger.count_batch("web", {"web-1": False}, minutes(4))["web-1"].ended == 0


def test_counting_a_batch_again_changes_nothing(ledger: Ledger) -> None:
    """A retried task, and another batch over the same window, count once and get the same answer."""
    first = ledger.count_batch("web", {"web-1": True}, minutes(1))

    assert ledger.count_batch("web", {"web-1": True}, minutes(1)) == first
    assert first["web-1"].failures == 1

    ended = ledger.count_batch("web", {"web-1": False}, minutes(2))
    assert ledger.count_batch("web", {"web-1": False}, minutes(2)) == ended
    assert ended["web-1"].ended == 1


def test_runs_that_count_at_once_count_once(ledger: Ledger) -> None:
    """Two runs over one window at the same moment are one failure; over two windows they are two."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ledger.count_batch("web", {"web-1": True}, minutes(1)), range(4)))

    assert ledger.streaks("web")["web-1"].failures == 1


def test_a_target_of_any_name(ledger: Ledger) -> None:
    """A target's name is text from outside, and comes back as it was."""
    name = "naïve '; drop table x; -- \x00"

    assert ledger.count_batch("web", {name: True}, minutes(1))[name].failures == 1
    assert ledger.streaks("web")[name].target == name


def test_a_large_fleet_is_counted_at_once(ledger: Ledger) -> None:
    """A fleet of more than a thousand targets is one transaction."""
    failed = {f"web-{number}": True for number in range(1500)}

    assert len(ledger.count_batch("web", failed, minutes(1))) == 1500
    assert len(ledger.streaks("web")) == 1500
