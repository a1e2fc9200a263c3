"""A process of its own that waits for a starting signal and then asks the ledger for one thing; not a test.

Arguments: what to do, the ledger's URL, the file whose existence is the signal, and a number of its own.
It prints ``ready`` when it waits, and its answer as the last line.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from sqlalchemy import Engine, event

from setpoint.ledger import Ledger, TargetBusy, migrate
from setpoint.model import Event
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change

THE_EVENT = Event(event_id="a", kind="json", source="a test", occurred_at=NOW, received_at=NOW)


def begin(url: str, number: str) -> str:
    with Ledger.open(url) as ledger:
        try:
            begin_change(ledger, a_planned_change(change_id=f"change-{number}"), NOW)
        except TargetBusy:
            return "busy"
    return "begun"


def carry(url: str, number: str) -> str:
    """Carry out one of two changes of one target, on a provider that is two files; see ``test_carry_races.py``."""
    from carry_race import carry_out_on_files

    return carry_out_on_files(url, int(number))


def accept(url: str, number: str) -> str:
    with Ledger.open(url) as ledger:
        return "new" if ledger.accept_events([(THE_EVENT, ("web",))]).new else "duplicate"


def take(url: str, number: str) -> str:
    with Ledger.open(url) as ledger:
        return str(len(ledger.take_events("web", f"web/{number}", NOW)))


def die_accepting(url: str, number: str) -> str:
    """Die between two statements of one transaction."""

    def die(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO setpoint_deliveries"):
            os._exit(9)

    event.listen(Engine, "after_cursor_execute", die)
    return accept(url, number)


def die_finishing(url: str, number: str) -> str:
    """Die when a change's row is updated and its entry is written, but nothing is committed."""
    from setpoint.model import ApplyResult, ChangeState, Reason

    def die(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO setpoint_entries"):
            os._exit(9)

    with Ledger.open(url) as ledger:
        event.listen(Engine, "after_cursor_execute", die)
        result = ApplyResult(state=ChangeState.APPLIED, reason=Reason(code="told", text="told"))
        finish_change(ledger, "one", result, NOW)
    return "alive"


def main() -> None:
    action, url, signal, number = sys.argv[1:]
    print("ready", flush=True)
    while not Path(signal).exists():
        time.sleep(0.002)
    actions = {
        "migrate": lambda: migrate(url),
        "carry": lambda: carry(url, number),
        "begin": lambda: begin(url, number),
        "accept": lambda: accept(url, number),
        "take": lambda: take(url, number),
        "die_accepting": lambda: die_accepting(url, number),
        "die_finishing": lambda: die_finishing(url, number),
    }
    print(actions[action](), flush=True)


if __name__ == "__main__":
    main()
