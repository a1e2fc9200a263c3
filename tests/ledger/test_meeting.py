"""A process without a task meets the ledger: its task finds the connection there."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from setpoint.ledger import Ledger, LedgerUnavailable

PROGRAM = textwrap.dedent(
    """
    import json, os, sys
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from setpoint.ledger import Ledger
    from setpoint.ledger.rehearsal import rehearsal
    from setpoint.steps.rehearse import rehearse

    url = sys.argv[1]
    with rehearsal(url) as ledger:
        rehearse(ledger)
        ledger.meet()
    out, into = os.pipe()
    if os.fork() == 0:
        found = []
        event.listen(Engine, "connect", lambda *_: found.append("connect"))
        event.listen(Engine, "before_cursor_execute", lambda *a: found.append(a[4].cache_hit.name))
        Ledger.open(url).meet()
        found.append("task")
        with Ledger.open(url) as ledger:
            ledger.run("web/run")
        os.write(into, json.dumps(found).encode())
        os._exit(0)
    os.wait()
    print(os.read(out, 65536).decode())
    """
)


@pytest.mark.postgres
def test_a_task_goes_on_with_the_connection_that_met_the_ledger(postgres_ledger_url: str) -> None:
    """One connection for both, and the meeting's statement was written in the rehearsal."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, postgres_ledger_url], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    before, after = found[: found.index("task")], found[found.index("task") + 1 :]
    assert before.count("connect") == 1
    assert before[-1] == "CACHE_HIT"
    assert "connect" not in after


def test_meeting_changes_nothing(ledger: Ledger) -> None:
    """On either database, a ledger works after it as before."""
    ledger.meet()
    assert ledger.run("web/none") is None


def test_a_ledger_that_is_gone_is_said_to_be() -> None:
    """Nobody listens there: the error is the ledger's own, for the caller to leave to the task."""
    with pytest.raises(LedgerUnavailable, match=r"127\.0\.0\.1"):
        Ledger.open("postgresql://u:p@127.0.0.1:9/none").meet()
