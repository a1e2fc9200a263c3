"""What ``setpoint doctor`` says of the pool of ``SETPOINT_CHANGE_POOL``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LOOK = """
import os
from setpoint.cli.checks.pools import check_change_pool

def say(pool):
    os.environ["SETPOINT_CHANGE_POOL"] = pool
    for one in check_change_pool():
        print(one.status.value, one.check, one.text, one.todo, sep="|")

say("")
say("aws changes")
from airflow.models.pool import Pool
from airflow.utils.db import initdb
initdb()
say("aws changes")
for slots in (-1, 0, 3):
    Pool.create_or_update_pool("aws changes", slots, "", False)
    say("aws changes")
"""


def test_a_pool_that_is_not_there_is_told_with_what_makes_it(tmp_path: Path) -> None:
    """Airflow's own is always there; of another one it matters whether it exists, and has slots."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__DATABASE__")}
    done = subprocess.run(
        [sys.executable, "-c", _LOOK],
        env={**variables, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    unread, missing, unlimited, empty, good = (line.split("|") for line in done.stdout.splitlines() if "|" in line)
    assert (unread[0], "Airflow's database does not answer" in unread[2]) == ("warn", True)
    assert missing[:2] == ["fail", "airflow pool aws changes"]
    assert missing[3] == "airflow pools set 'aws changes' 8 'Changes'"
    assert (unlimited[0], empty[0]) == ("ok", "fail")
    assert (good[0], good[2]) == ("ok", "3 changes at once")
