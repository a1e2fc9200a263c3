"""Processes and threads that want the same thing at the same moment, and processes that die in the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from races import at_once, race

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.ledger import IllegalTransition, Ledger, TargetBusy, migrate, revision
from setpoint.ledger.tables import HEAD
from setpoint.model import ApplyResult, ChangeState, Event
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change

ROUNDS = 10
"""Times a race of threads is run: a lock that is missing does not show every time."""


def test_processes_migrate_at_once(empty_url: str, tmp_path: Path) -> None:
    """Whichever process is first migrates; the others find it done."""
    assert race("migrate", empty_url, tmp_path / "go") == [HEAD] * 2
    assert revision(empty_url) == HEAD


def test_threads_migrate_at_once(empty_url: str) -> None:
    """The same for the threads of one process, such as a triggerer's."""
    assert at_once(4, lambda _: migrate(empty_url)) == [HEAD] * 4


def test_processes_begin_at_once(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """Of several processes that begin a change of one target, exactly one may go on."""
    assert Counter(race("begin", ledger_url, tmp_path / "go")) == {"begun": 1, "busy": 1}
    assert len(ledger.changes_of("run-1")) == 1


def test_threads_begin_at_once(ledger: Ledger) -> None:
    """The same for threads that share one ledger; every target has one winner."""

    def begin(number: int) -> list[str]:
        won = []
        for target in ("web-1", "web-2", "web-3", "web-4"):
            try:
                begin_change(ledger, a_planned_change(target, change_id=f"{target}-{number}"), NOW)
            except TargetBusy:
                continue
            won.append(target)
        return won

    won = [target for targets in at_once(4, begin) for target in targets]
    assert sorted(won) == ["web-1", "web-2", "web-3", "web-4"]


def test_threads_begin_the_same_change(ledger: Ledger) -> None:
    """Two attempts at one change are one change with two attempts."""
    changes = at_once(4, lambda _: begin_change(ledger, a_planned_change(change_id="one"), NOW))
    assert sorted(one.attempts for one in changes) == [1, 2, 3, 4]
    assert len(ledger.changes_of("run-1")) == 1


def test_threads_finish_differently(ledger: Ledger, result: Callable[[ChangeState], ApplyResult]) -> None:
    """A run and reconciliation that end one change differently: the first is believed, the other is told so."""
    ends = (ChangeState.APPLIED, ChangeState.FAILED)
    for change_id in map(str, range(ROUNDS)):
        begin_change(ledger, a_planned_change(f"web-{change_id}", change_id=change_id), NOW)

        def finish(number: int, change_id: str = change_id) -> str:
            try:
                return finish_change(ledger, change_id, result(ends[number]), NOW).state.value
            except IllegalTransition:
                return "told so"

        answers = at_once(2, finish)
        ended = ledger.change(change_id)
        assert ended is not None
        assert sorted(answers) == sorted(["told so", ended.state.value])


def test_processes_accept_at_once(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """One event that several processes accept is new to exactly one of them."""
    assert Counter(race("accept", ledger_url, tmp_path / "go")) == {"new": 1, "duplicate": 1}
    assert len(ledger.take_events("web", "web/1", NOW)) == 1


def test_threads_accept_many_in_any_order(ledger: Ledger, event: Callable[..., Event]) -> None:
    """Batches that overlap, in opposite orders, neither deadlock nor count an event twice."""
    for turn in range(ROUNDS):
        events = [event(f"{turn} {number:03}") for number in range(50)]

        def accept(number: int, events: list[Event] = events) -> tuple[str, ...]:
            ordered = events if number % 2 else list(reversed(events))
            return ledger.accept_events([(one, ("web", "api")) for one in ordered]).new

        new = [event_id for ids in at_once(4, accept) for event_id in ids]
        assert sorted(new) == [one.event_id for one in events]


def test_threads_take_at_once(ledger: Ledger, event: Callable[..., Event]) -> None:
    """Two runs of one policy share its events: each event goes to one of them, none to both or to none."""
    for turn in range(ROUNDS):
        events = [event(f"{turn} {number:03}") for number in range(20)]
        ledger.accept_events([(one, ("web",)) for one in events])

        def take(number: int, turn: int = turn) -> tuple[Event, ...]:
            return ledger.take_events("web", f"web/{turn}/{number}", NOW, limit=8)

        taken = at_once(4, take)
        late = ledger.take_events("web", f"web/{turn}/late", NOW)
        ids = [one.event_id for part in (*taken, late) for one in part]
        assert sorted(ids) == [one.event_id for one in events]


def test_threads_join_and_take_at_once(ledger: Ledger, event: Callable[..., Event]) -> None:
    """A run that is about to pull and one that starts share what waits: each event goes to one of them."""
    for turn in range(ROUNDS):
        ledger.accept_events([(event(f"{turn} first"), ("web",))])
        assert len(ledger.take_events("web", f"web/{turn}/0", NOW)) == 1
        events = [event(f"{turn} {number:03}") for number in range(20)]
        ledger.accept_events([(one, ("web",)) for one in events])

        def work(number: int, turn: int = turn) -> list[str]:
            if number == 0:
                return list(ledger.join_events(f"web/{turn}/0", "web", NOW, limit=12))
            return [one.event_id for one in ledger.take_events("web", f"web/{turn}/{number}", NOW, limit=12)]

        got = [event_id for part in at_once(3, work) for event_id in part]
        late = [one.event_id for one in ledger.take_events("web", f"web/{turn}/late", NOW)]
        assert sorted(got + late) == [one.event_id for one in events]


def test_threads_bring_and_pull_at_once(ledger: Ledger, event: Callable[..., Event]) -> None:
    """An event that comes while a run pulls is in that run, or wakes another; none is left without either."""
    for turn in range(ROUNDS):
        at = NOW + timedelta(hours=turn)

        def arrival(name: str, at: datetime = at) -> Arrival:
            return Arrival(name, "queue", "", ((event(name, at), (Wanted("web", timedelta(seconds=10)),)),))

        ledger.receive([arrival(f"{turn} first")], at)
        ledger.take_events("web", f"web/{turn}", at)

        def work(number: int, turn: int = turn, at: datetime = at, arrival: Callable[..., Arrival] = arrival) -> bool:
            if number == 0:
                return bool(ledger.join_events(f"web/{turn}", "web", at))
            return bool(ledger.receive([arrival(f"{turn} {number}")], at).woken)

        at_once(4, work)
        joined = len(ledger.events_of(f"web/{turn}")) - 1
        due = ledger.claim_wakes(None, at + timedelta(seconds=10))
        assert (joined == 3) is not bool(due)
        ledger.take_events("web", f"web/{turn}/rest", at)


def test_threads_take_requests_at_once(ledger: Ledger, event: Callable[..., Event]) -> None:
    """Runs that start together get one request each, and none leaves with nothing while one waits."""
    for turn in range(ROUNDS):
        events = [event(f"{turn} {number}", request={}) for number in range(4)]
        ledger.accept_events([(one, ("web",)) for one in events])

        def take(number: int, turn: int = turn) -> tuple[Event, ...]:
            own = f"{turn} {number}" if number < 2 else None
            return ledger.take_events("web", f"web/{turn}/{number}", NOW, own=own)

        taken = [[one.event_id for one in part] for part in at_once(4, take)]
        assert sorted(taken) == [[one.event_id] for one in events]


def test_threads_record_one_value(ledger: Ledger, event: Callable[..., Event]) -> None:
    """A retry that overlaps the attempt before it is one entry, or one more attempt, never an error."""
    written = at_once(4, lambda _: ledger.record("event", event("a"), run_id="run-1", policy="web"))
    assert sorted(written) == [False, False, False, True]


def test_dying_in_the_middle_of_accepting(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """A process killed before its commit leaves nothing; the message, still on its queue, is new next time."""
    assert race("die_accepting", ledger_url, tmp_path / "go", processes=1) == ["died"]
    assert ledger.pending_policies() == ()
    assert ledger.unwanted_events() == ()
    assert race("accept", ledger_url, tmp_path / "go", processes=1) == ["new"]


def test_dying_in_the_middle_of_finishing(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """A process killed while it writes a result leaves the intent, which reconciliation finds."""
    begun = begin_change(ledger, a_planned_change(change_id="one"), NOW)
    assert race("die_finishing", ledger_url, tmp_path / "go", processes=1) == ["died"]
    assert ledger.change("one") == begun
    told = ledger.explain("one")
    assert told is not None
    assert [step.state for step in told.changes[0].steps] == [ChangeState.APPLYING]
