"""What Airflow gets of the webhook."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from webhook_parts import served

REPOSITORY = Path(__file__).resolve().parents[2]

_LOOK = """
import sys
from airflow import plugins_manager
apps, _ = plugins_manager.get_fastapi_plugins()
print([(one["url_prefix"], type(one["app"]).__name__) for one in apps if "etpoint" in one["name"]])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"fastapi", "great_expectations", "boto3", "pandas"}))
print("setpoint.policy.schema" in sys.modules or "setpoint.ledger" in sys.modules)
"""


def test_airflow_finds_it_and_loads_nothing_for_it(tmp_path: Path) -> None:
    """The plugin is imported in every component and every task; the webhook costs nothing where nobody asks for it."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "include"), "AIRFLOW_HOME": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", _LOOK], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert told.stdout.splitlines()[-3:] == [
        "[('/setpoint/batches', 'PagesMount'), ('/setpoint', 'WebhookMount')]",
        "[]",
        "False",
    ], told.stderr[-2000:]


def test_it_serves_below_its_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mounted as Airflow mounts it, the first request builds it; without a senders file there is nobody to let in."""
    from setpoint_airflow.webhook.mount import WebhookMount

    monkeypatch.setenv("SETPOINT_SENDERS", str(tmp_path / "senders.yaml"))
    app = Starlette()
    app.mount("/setpoint", WebhookMount())
    with served(app) as url:
        answer = httpx.post(f"{url}/setpoint/events/tool", json={}, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_sender")
