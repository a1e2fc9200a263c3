"""One lease a target: taken, renewed, given back, run out, taken over; and what an overtaken holder may not write."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from setpoint.ledger import IllegalTransition, LeaseHeld, LeaseLost, Ledger, TargetBusy
from setpoint.ledger.holders import is_dead, new_holder
from setpoint.ledger.leases import CALL_SECONDS, LEASE_SECONDS, Lease
from setpoint.model import ApplyResult, ChangeState
from setpoint.testing.ledgers import a_dead_holder
from setpoint.testing.values import NOW, SCOPE, a_planned_change

MakeResult = Callable[[ChangeState], ApplyResult]
INCLUDE = Path(__file__).parents[2] / "include"


class Present:
    """The clock that decides about leases."""

    def __init__(self) -> None:
        self.now = NOW

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def present() -> Present:
    return Present()


@pytest.fixture
def leased(ledger_url: str, present: Present) -> Iterator[Ledger]:
    """A ledger whose clock stands until it is moved."""
    with Ledger.open(ledger_url, clock=lambda: present.now) as opened:
        yield opened


def take(ledger: Ledger, holder: str = "one", target: str = "web-1") -> Lease:
    return ledger.acquire_lease(SCOPE, target, "a change", holder)


def test_one_holder_at_a_time(leased: Ledger, present: Present) -> None:
    """While somebody holds a target's lease nobody else gets it, and is told who has it and for how long."""
    mine = take(leased)
    present.pass_(10)
    with pytest.raises(
        LeaseHeld, match="one is at work on change a change and may go on alone for another 30 s"
    ) as held:
        take(leased, "two")
    assert str(pickle.loads(pickle.dumps(held.value))) == str(held.value)
    assert take(leased, "two", target="web-2").token == 1, "another target is another lease"
    assert leased.leases()[0] == mine


def test_a_token_is_given_out_once(leased: Ledger, present: Present) -> None:
    """Every time it is given out, however it came free, the token is one higher."""
    tokens = [take(leased, "released").token]
    assert leased.release_lease(leased.leases()[0])
    tokens.append(take(leased, "runs out").token)
    present.pass_(LEASE_SECONDS)
    tokens.append(take(leased, a_dead_holder()).token)
    tokens.append(take(leased, "two").token)
    tokens.append(take(leased, "two").token)
    assert tokens == [1, 2, 3, 4, 5]


def test_it_runs_out_to_the_second(leased: Ledger, present: Present) -> None:
    """A lease that was not renewed is anybody's after its time, and not before."""
    take(leased)
    present.pass_(LEASE_SECONDS - 0.001)
    with pytest.raises(LeaseHeld):
        take(leased, "two")
    present.pass_(0.001)
    assert take(leased, "two").holder == "two"


def test_a_dead_process_holds_nothing(leased: Ledger) -> None:
    """The lease of a process that certainly runs no more is free at once."""
    take(leased, a_dead_holder())
    assert take(leased, "two").token == 2


def test_renewing(leased: Ledger, present: Present) -> None:
    """Renewed it lasts as long again; also when it had run out, as long as nobody took it since."""
    mine = take(leased)
    present.pass_(30)
    mine = leased.renew_lease(mine)
    present.pass_(30)
    with pytest.raises(LeaseHeld):
        take(leased, "two")
    present.pass_(30)
    mine = leased.renew_lease(mine)
    present.pass_(LEASE_SECONDS)
    assert take(leased, "two").token == mine.token + 1
    with pytest.raises(LeaseLost, match=r"token 1 was taken over by two \(token 2 now\)") as lost:
        leased.renew_lease(mine)
    assert str(pickle.loads(pickle.dumps(lost.value))) == str(lost.value)


def test_a_lease_given_back_is_nobodys(leased: Ledger) -> None:
    """Given back it can neither be renewed nor given back again, and is not listed."""
    mine = take(leased)
    assert leased.release_lease(mine)
    assert leased.leases() == ()
    assert not leased.release_lease(mine)
    with pytest.raises(LeaseLost, match="was given back"):
        leased.renew_lease(mine)
    kept = leased.lease_of(SCOPE, "web-1")
    assert kept is not None
    assert (kept.token, kept.released_at) == (1, NOW)
    assert leased.lease_of(SCOPE, "never") is None


def test_begin_takes_it_and_finish_gives_it_back(leased: Ledger, result: MakeResult) -> None:
    """The lease comes with the intent and goes with the result, of every kind."""
    for number, state in enumerate((ChangeState.APPLIED, ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED)):
        change = a_planned_change(f"web-{number}")
        _, lease = leased.begin_change(change, NOW, "one")
        assert lease is not None
        assert leased.leases() == (lease,)
        assert (lease.change_id, lease.target) == (change.change_id, change.target)
        leased.finish_change(change.change_id, result(state), NOW, lease)
        assert leased.leases() == ()


def test_a_second_attempt_waits_for_the_first(leased: Ledger, present: Present) -> None:
    """While one attempt holds the lease another is refused, and does not count; then it takes it over and counts."""
    change = a_planned_change()
    leased.begin_change(change, NOW, "one")
    with pytest.raises(LeaseHeld):
        leased.begin_change(change, NOW, "two")
    assert leased.change(change.change_id).attempts == 1
    present.pass_(LEASE_SECONDS)
    assert leased.begin_change(change, NOW, "two").change.attempts == 2


def test_an_overtaken_holder_writes_nothing(leased: Ledger, present: Present, result: MakeResult) -> None:
    """Whoever lost the lease cannot write a result any more: the fence."""
    change = a_planned_change()
    _, first = leased.begin_change(change, NOW, "one")
    present.pass_(LEASE_SECONDS)
    _, second = leased.begin_change(change, NOW, "two")
    assert first is not None
    assert second is not None
    with pytest.raises(LeaseLost):
        leased.finish_change(change.change_id, result(ChangeState.FAILED), NOW, first)
    assert leased.change(change.change_id).state is ChangeState.APPLYING
    leased.finish_change(change.change_id, result(ChangeState.APPLIED), NOW, second)
    with pytest.raises(IllegalTransition):
        leased.finish_change(change.change_id, result(ChangeState.FAILED), NOW, first)
    assert leased.finish_change(change.change_id, result(ChangeState.APPLIED), NOW, first).state is ChangeState.APPLIED


def test_a_lease_that_ran_out_and_nobody_took_still_writes(
    leased: Ledger, present: Present, result: MakeResult
) -> None:
    """Late is not overtaken: nobody has acted in between, so the result is the truth."""
    change = a_planned_change()
    _, lease = leased.begin_change(change, NOW, "one")
    present.pass_(10 * LEASE_SECONDS)
    assert lease is not None
    assert leased.finish_change(change.change_id, result(ChangeState.APPLIED), NOW, lease).state is ChangeState.APPLIED


def test_the_lease_of_another_target_is_no_right(leased: Ledger, result: MakeResult) -> None:
    """A valid lease of one target does not finish another's change."""
    change = a_planned_change()
    leased.begin_change(change, NOW, "one")
    with pytest.raises(ValueError, match="the lease shown is of web-2"):
        leased.finish_change(change.change_id, result(ChangeState.APPLIED), NOW, take(leased, "one", "web-2"))


def test_an_open_change_is_in_the_way_without_a_lease(leased: Ledger, present: Present) -> None:
    """That a lease ran out makes no room for another change while the first is unfinished."""
    leased.begin_change(a_planned_change(change_id="one"), NOW, "one")
    present.pass_(LEASE_SECONDS)
    with pytest.raises(TargetBusy):
        leased.begin_change(a_planned_change(change_id="two"), NOW, "two")


def test_what_does_not_begin_takes_no_lease(leased: Ledger, result: MakeResult) -> None:
    """A dry run, and a change that has ended, need no right to change anything."""
    assert leased.begin_change(a_planned_change(dry_run=True), NOW, "one").lease is None
    change = a_planned_change("web-2")
    _, lease = leased.begin_change(change, NOW, "one")
    assert lease is not None
    leased.finish_change(change.change_id, result(ChangeState.FAILED), NOW, lease)
    again = leased.begin_change(change, NOW, "two")
    assert (again.lease, again.change.attempts) == (None, 1)
    assert leased.leases() == ()


def test_the_databases_clock_decides(ledger_url: str, backend: str) -> None:
    """On PostgreSQL the server's clock says when a lease runs out, so that machines need not agree on the time."""
    with Ledger.open(ledger_url) as ledger:
        lease, seen = take(ledger), ledger.lease_now()
    assert lease.expires_at - lease.acquired_at == timedelta(seconds=LEASE_SECONDS)
    assert lease.acquired_at <= seen < lease.expires_at
    assert isinstance(seen, datetime)


def test_a_call_fits_into_a_lease() -> None:
    """There is time for a call in every lease, and for taking one over within a task's patience."""
    assert 0 < CALL_SECONDS <= LEASE_SECONDS / 2


def test_the_death_of_a_process_is_known() -> None:
    """A holder is known to be dead once its process has ended, killed or not, reaped or not; not before."""
    code = "from setpoint.ledger.holders import new_holder; print(new_holder(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(INCLUDE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        try:
            assert not is_dead(holder)
        finally:
            process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(holder), "a zombie runs no more"
    assert is_dead(holder)


@pytest.mark.parametrize(
    "altered",
    [
        lambda own: own.replace(" on ", " on another-boot/"),
        lambda own: "a person",
        lambda own: own.replace(" pid ", " pid 99999999999999999999").replace(" on ", " on -x"),
    ],
    ids=["another machine", "another format", "another namespace"],
)
def test_nobody_else_is_declared_dead(altered: Callable[[str], str]) -> None:
    """Of a process on another machine, or in another container, nobody can tell; it may run."""
    assert not is_dead(altered(a_dead_holder()))


def test_a_pid_that_was_given_out_again_is_another_process() -> None:
    """This very pid, started at another time, is not the process that held the lease."""
    own = new_holder()
    assert not is_dead(own)
    start = own.split(" since ")[1].split(" ")[0]
    assert is_dead(own.replace(f" since {start} ", f" since {int(start) - 1} "))
    assert new_holder() != own
