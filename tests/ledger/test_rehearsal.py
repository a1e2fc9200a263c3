"""Rehearsing on a ledger: nothing of it is kept but what the engine has learned."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from setpoint.ledger import Ledger
from setpoint.ledger.tables import Base
from setpoint.model import Action
from setpoint.steps.rehearse import rehearse

PROGRAM = textwrap.dedent(
    """
    import json, os, sys
    from datetime import UTC, datetime
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from setpoint.ledger import Ledger
    from setpoint.ledger.rehearsal import rehearsal
    from setpoint.steps.rehearse import rehearse

    url, mode = sys.argv[1:]
    if mode == "rehearsed":
        with rehearsal(url) as ledger:
            rehearse(ledger)
    found = []
    event.listen(Engine, "before_cursor_execute", lambda *a: found.append(a[4].cache_hit.name + ' ' + a[2]))
    out, into = os.pipe()
    if os.fork() == 0:
        with Ledger.open(url) as ledger:
            ledger.memory("web", ["web-1", "web-2", "web-3"], "scope", datetime.now(UTC))
            ledger.take_events("web", "web/run", datetime.now(UTC))
            ledger.start_run("web/run", "web", datetime.now(UTC), "inbox", dry_run=False, event_ids=())
            ledger.batch_of("web/run")
        os.write(into, json.dumps(found).encode())
        os._exit(0)
    os.wait()
    with Ledger.open(url) as ledger:
        run = ledger.run("web/run")
    print(json.dumps({"child": json.loads(os.read(out, 65536)), "run": run is not None}))
    """
)


def rows(url: str) -> dict[str, int]:
    """How many rows each of the ledger's tables has."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        with engine.connect() as connection:
            return {
                name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                for name in Base.metadata.tables
            }
    finally:
        engine.dispose()


def run(url: str, mode: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url, mode], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_of_a_rehearsal_is_kept(ledger_url: str) -> None:
    """After it the real ledger has the rows of the one real run that followed, and no others."""
    before = rows(ledger_url)
    assert run(ledger_url, "rehearsed")["run"]
    after = rows(ledger_url)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"setpoint_runs": 1}


@pytest.mark.parametrize("mode", ["rehearsed", "cold"])
def test_a_fork_of_a_rehearsed_process_writes_no_sql_anew(ledger_url: str, mode: str) -> None:
    """What a task executes comes from the cache of the engine that was rehearsed with; without, it does not."""
    child = run(ledger_url, mode)["child"]
    missed = [statement for statement in child if statement.startswith("CACHE_MISS")]
    assert missed == [] if mode == "rehearsed" else len(missed) > 3


def test_a_rehearsed_run_ends_in_a_change(ledger: Ledger) -> None:
    """The run that is rehearsed goes all the way, or the statements at its end would be strangers."""
    plan = rehearse(ledger)
    (change,) = plan.changes
    assert change.action is Action.SCALE_OUT
    made = ledger.change(change.change_id)
    assert made is not None
    assert made.state.effective


def test_without_a_ledger_the_rest_is_rehearsed() -> None:
    """A database that cannot be reached costs the ledger's part only."""
    assert len(rehearse(None).changes) == 1
