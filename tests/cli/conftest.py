"""The command line in this process and as a process of its own, a ledger with a story in it, and a practice AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from setpoint.cli.main import app
from setpoint.lab.process import LabProcess
from setpoint.ledger import Ledger
from setpoint.model import (
    ApplyResult,
    ChangeState,
    Event,
    Followed,
    HealthReading,
    HealthVerdict,
    Outcome,
    PlannedChange,
    Reason,
    Verdict,
)
from setpoint.planning.plan import make_plan
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_decision, a_policy, a_report, a_signal

REPOSITORY = Path(__file__).resolve().parents[2]
POLICIES = REPOSITORY / "include" / "policies"

RUN = "web/scheduled__2026-03-01"
HOSTILE = "\x1b[31mred\x1b[0m [bold]markup[/bold] {{ 7*7 }}"
"""Text from outside that a careless program would obey."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command in this process: ``run("validate", "--json")``."""
    monkeypatch.setenv("SETPOINT_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("SETPOINT_POLICIES", str(POLICIES))
    # Commands set it for their own process, which here is that of all tests.
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return invoke


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command as a process of its own: ``shell("validate", NO_COLOR="1")``."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "SETPOINT_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
            "SETPOINT_POLICIES": str(POLICIES),
            **variables,
        }
        return subprocess.run(
            [sys.executable, "-m", "setpoint.cli.main", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture
def told(tmp_path: Path) -> PlannedChange:
    """A ledger in which one alarm led to a harmful change; the change is returned."""
    change = PlannedChange.of(a_decision(run_id=RUN, event_ids=("alarm-1",)), "aws.autoscaling_group")
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        _tell(ledger, change)
    return change


def _tell(ledger: Ledger, change: PlannedChange) -> None:
    event = Event(
        event_id="alarm-1",
        kind="cloudwatch.alarm",
        source="arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web-cpu",
        occurred_at=NOW - timedelta(seconds=9),
        received_at=NOW - timedelta(seconds=8),
        summary=HOSTILE,
    )
    ledger.accept_events([(event, ("web",))])
    ledger.take_events("web", RUN, NOW)
    ledger.start_run(RUN, "web", NOW, "event", False, ["alarm-1"])
    report = a_report({"web-1": {"cpu": Verdict.PASS}, "web-2": {"cpu": Verdict.FAIL}})
    ledger.record("report", report, run_id=RUN, policy="web", at=NOW)
    signals = [a_signal([80.0, 90.0]), a_signal([None], target="web-2")]
    ledger.record_many("signal", [(one.target, one) for one in signals], run_id=RUN, policy="web", at=NOW)
    hold = a_decision(
        "web-2",
        4,
        4,
        run_id=RUN,
        action="quarantine",
        quality="fail",
        reasons=(Reason(code="quality_fail", text="cpu: coverage 20 %"),),
    )
    out = a_decision(run_id=RUN, event_ids=("alarm-1",))
    ledger.record_decisions(RUN, [out, hold], make_plan(a_policy(), RUN, (out, hold), NOW, timedelta(minutes=10)))
    begin_change(ledger, change, NOW)
    accepted = ApplyResult(state=ChangeState.APPLIED, reason=Reason(code="applied", text="AWS took it"))
    finish_change(ledger, change.change_id, accepted, NOW)
    ledger.settle_change(change.change_id, Reason(code="in_service", text="6 of 6 instances serve"), NOW)
    reading = HealthReading(
        metric="latency_p95_ms",
        before=120,
        after=400,
        samples_before=6,
        samples_after=6,
        limit="at most 250",
        verdict=HealthVerdict.DEGRADED,
        text="from 120 to 400",
    )
    ledger.record_outcome(
        Outcome(
            change_id=change.change_id,
            policy="web",
            run_id=RUN,
            target="web-1",
            verdict=HealthVerdict.DEGRADED,
            followed=Followed.ROLL_BACK,
            reasons=(Reason(code="degraded", text="latency_p95_ms rose above its limit"),),
            readings=(reading,),
            recorded_at=NOW + timedelta(minutes=1),
        )
    )
    ledger.close_events(RUN, "acted", NOW)
    ledger.finish_run(RUN, "succeeded", "one change", NOW + timedelta(minutes=2))


@pytest.fixture(scope="session")
def lab() -> Iterator[LabProcess]:
    """A practice AWS with the storefront's fleets, queue and alarms."""
    with LabProcess(provision=True) as process:
        yield process
