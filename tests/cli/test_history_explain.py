"""``setpoint history`` and ``setpoint explain``: what the ledger tells."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evidence"))
from evidence_fleet import clean, store_of

from setpoint.cli.history import parse_since
from setpoint.cli.output import CommandError
from setpoint.ledger import Ledger
from setpoint.model import ApplyResult, ChangeState, Reason
from setpoint.testing.ledgers import begin_change, finish_change

POLICIES = Path(__file__).resolve().parents[2] / "include" / "policies"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_history_lists_decisions_with_what_came_of_them(run, told) -> None:
    """Policy, target, capacity, change, verdict and reason, on one line each."""
    result = run("history")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if "scale_out" in line)
    for part in ("web-1", "4 → 6", "settled", told.change_id[:8], "degraded, roll back due", "above 70"):
        assert part in line, part
    assert any("quarantine" in line and "coverage 20 %" in line for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ChangeState.REFUSED, "degraded, roll back refused"),
        (ChangeState.FAILED, "degraded, roll back failed"),
        (ChangeState.APPLIED, "degraded, rolled back"),
    ],
)
def test_history_says_rolled_back_only_of_what_was(run, told, tmp_path, state: ChangeState, words: str) -> None:
    """A roll-back that was refused or failed took nothing back, and is not told as if it had."""
    back = told.reversed("it did harm")
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        begin_change(ledger, back, datetime.now(UTC))
        finish_change(ledger, back.change_id, ApplyResult(state=state, reason=Reason.of("x", "x")), datetime.now(UTC))
    line = next(line for line in run("history").stdout.splitlines() if "scale_out" in line)
    assert words in line


def test_history_as_json_is_the_ledgers_rows(run, told) -> None:
    """Nothing is left out for programs."""
    rows = json.loads(run("history", "--json").stdout)["history"]
    assert {row["target"]: row["action"] for row in rows} == {"web-1": "scale_out", "web-2": "quarantine"}
    assert next(row for row in rows if row["target"] == "web-1")["change_id"] == told.change_id


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        (["--target", "web-2"], ["web-2"]),
        (["--policy", "api"], []),
        (["--policy", "web", "--changes"], ["web-1"]),
        (["--changes", "--limit", "1"], ["web-1"]),
        (["--since", "2026-03-01T12:00Z"], ["web-1", "web-2"]),
        (["--since", "2026-03-01T12:00:01"], []),
    ],
)
def test_history_can_be_narrowed(run, told, options: list[str], targets: list[str]) -> None:
    """By policy, target, time, and to what changed something."""
    rows = json.loads(run("history", "--json", *options).stdout)["history"]
    assert sorted(row["target"] for row in rows) == targets


def test_since_takes_durations_and_times() -> None:
    """``2h`` is that long ago; a time without a zone is UTC."""
    assert parse_since("2h", NOW) == NOW - timedelta(hours=2)
    assert parse_since("2026-02-28", NOW) == datetime(2026, 2, 28, tzinfo=UTC)
    assert parse_since("2026-03-01T14:00+02:00", NOW) == NOW
    with pytest.raises(CommandError, match="90m or 2d"):
        parse_since("yesterday", NOW)


def test_a_wrong_time_is_wrong_usage(run, told) -> None:
    """Exit status 2, with what would be right."""
    result = run("history", "--since", "yesterday")
    assert result.exit_code == 2
    assert "90m or 2d" in result.stderr


def test_explain_tells_the_whole_chain_of_a_change(run, told) -> None:
    """From the event to the outcome, in that order, with codes and numbers."""
    result = run("explain", told.change_id[:8])
    assert result.exit_code == 0
    chain = ("event", "run", "quality", "signals", "decision", "plan", "change", "outcome")
    places = [result.stdout.index(f"─ {link} ") for link in chain]
    assert places == sorted(places)
    for part in (
        "cloudwatch.alarm",
        "[above_threshold]",
        "4 → 6 settled",
        "in_service",
        "roll_back",
        "from 120 to 400",
    ):
        assert part in result.stdout, part
    assert "web-2" not in result.stdout


def test_explain_a_run_tells_of_every_target(run, told) -> None:
    """What changed and what was put aside."""
    result = run("explain", told.run_id)
    assert result.exit_code == 0
    assert "web-1: scale_out" in result.stdout
    assert "web-2: quarantine" in result.stdout


def test_explain_leads_to_the_batchs_page(run, told, tmp_path, monkeypatch) -> None:
    """With Airflow's address where the environment says it, so that a terminal makes a link of it."""
    made = store_of(tmp_path / "batches", {"web-1": clean()})
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.record("batch", made.batch, run_id=told.run_id, policy="web", at=NOW)
    path = f"/setpoint/batches/setpoint.web/{made.batch.batch_id}"
    for base in ("", "http://localhost:8080", "https://airflow.example.com/below/"):
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
        address = base.rstrip("/") + path
        assert address in "".join(run("explain", told.run_id).stdout.replace("│", "").split())
        assert json.loads(run("explain", told.run_id, "--json").stdout)["page"] == address


def test_a_run_may_be_named_as_airflow_names_it(run, told, monkeypatch, tmp_path) -> None:
    """The policy's name is added when one of the policies has such a run."""
    text = (POLICIES / "storefront-web.yaml").read_text()
    (tmp_path / "web.yaml").write_text(text.replace("name: storefront-web", "name: web"))
    monkeypatch.setenv("SETPOINT_POLICIES", str(tmp_path))
    result = run("explain", told.run_id.partition("/")[2])
    assert result.exit_code == 0
    assert told.run_id in result.stdout


def test_explain_as_json_has_everything(run, told) -> None:
    """The typed explanation, as data."""
    story = json.loads(run("explain", told.change_id, "--json").stdout)
    assert story["about"] == "change"
    assert story["changes"][0]["outcome"]["verdict"] == "degraded"


@pytest.mark.parametrize("command", [["history"], ["explain"], ["explain", "--json"], ["history", "--json"]])
def test_text_from_outside_is_data(run, told, command: list[str]) -> None:
    """No terminal obeys it, no markup or template in it is rendered."""
    arguments = [*command, told.change_id] if command[0] == "explain" else command
    result = run(*arguments)
    assert "\x1b" not in result.stdout
    if command == ["explain"]:
        assert r"\x1b[31mred\x1b[0m [bold]markup[/bold] {{ 7*7 }}" in result.stdout


def test_an_unknown_reference_is_a_no(run, told) -> None:
    """Exit status 1, and where to look."""
    result = run("explain", "nothing-like-it")
    assert result.exit_code == 1
    assert "setpoint history" in result.stderr


@pytest.mark.parametrize("command", [["history"], ["explain", "abc"]])
def test_no_ledger_is_the_surroundings_fault_and_none_is_made(run, tmp_path, command: list[str]) -> None:
    """Exit status 3 with the variable to set; looking writes nothing."""
    result = run(*command)
    assert result.exit_code == 3
    assert "SETPOINT_LEDGER_URL" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_database_is_the_surroundings_fault(shell) -> None:
    """Exit status 3, a message instead of a traceback, and no password in it."""
    done = shell("history", SETPOINT_LEDGER_URL="postgresql://setpoint:s3cret@127.0.0.1:5879/none")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
