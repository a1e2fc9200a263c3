"""What the webhook tells Airflow of an event that is in the inbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_WAKE = """
import select
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from setpoint_airflow.nudge import hush, listen
from setpoint_airflow.webhook.wake import wake

initdb()
with create_session() as session:
    session.add(AssetModel(name="setpoint-web", uri="setpoint://web", group="asset", extra={}))
scheduler = listen()
wake(["web", "not-parsed-yet"])
print("nudged", bool(select.select([scheduler], [], [], 0)[0]))
hush(scheduler)
with create_session() as session:
    print("events", [one.extra for one in session.query(AssetEvent)])
"""


def test_waking_makes_an_asset_event_and_nudges_the_scheduler(tmp_path: Path) -> None:
    """The event is committed before the nudge, and a policy whose Dag is not parsed yet stops nobody."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__DATABASE__")}
    nudges = Path(f"/tmp/{tmp_path.name}-{os.getpid()}")  # a socket's path has 107 characters at most
    done = subprocess.run(
        [sys.executable, "-c", _WAKE],
        env={**variables, "AIRFLOW_HOME": str(tmp_path), "SETPOINT_NUDGE_FOLDER": str(nudges)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-2:] == ["nudged True", "events [{'policy': 'web', 'reason': 'webhook'}]"]
    nudges.rmdir()
