"""``setpoint batch``: what lies in quarantine, why, and what would be decided on it today."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "evidence"))
from evidence_fleet import HOSTILE, PERIODS, Stored, clean, policy_document, store_of

from setpoint.evidence.case import put_aside
from setpoint.ledger import Ledger


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment's data, with the policy of the batches."""
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "web.yaml").write_text(yaml.safe_dump(policy_document()))
    monkeypatch.setenv("SETPOINT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def aside(home: Path) -> Stored:
    """A batch in quarantine: one target is well, one reads zeros, one has a hostile name and a gap."""
    gap: list[float | None] = [*clean()[:3], None, None, None, None, *clean()[7:]]
    made = store_of(home / "batches", {"web-1": clean(), "web-2": [0.0] * PERIODS, HOSTILE: gap})
    put_aside(made.store, made.case(), made.report)
    return made


@pytest.fixture
def batch(run: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs ``setpoint batch ...`` with the policies of the deployment."""

    def invoke(*arguments: str) -> Any:
        monkeypatch.setenv("SETPOINT_POLICIES", str(home / "policies"))
        return run("batch", *arguments)

    return invoke


def test_the_list_has_what_lies_in_quarantine_with_the_first_reason(batch: Any, aside: Stored) -> None:
    """Newest first; the id is what the other commands take."""
    shown = batch("list")
    assert shown.exit_code == 0
    assert aside.batch.batch_id[:12] in shown.stdout
    (row,) = json.loads(batch("list", "--json").stdout)["batches"]
    assert (row["batch_id"], row["policy"], row["quarantined"]) == (aside.batch.batch_id, "web", True)
    assert set(row["files"]) == {"parquet", "report.json", "case.json"}
    assert any("zero_guard" in one for one in row["why"])
    assert json.loads(batch("list", "--policy", "api", "--json").stdout)["batches"] == []


def test_a_batch_that_is_not_in_quarantine_is_listed_on_request(batch: Any, home: Path) -> None:
    """With --all."""
    made = store_of(home / "batches", {"web-1": clean()})
    assert "no batch lies in quarantine" in batch("list").stdout
    (row,) = json.loads(batch("list", "--all", "--json").stdout)["batches"]
    assert (row["batch_id"], row["quarantined"]) == (made.batch.batch_id, False)


def test_a_batch_is_shown_with_its_verdicts_numbers_and_files(batch: Any, aside: Stored) -> None:
    """By the first letters of its id; text from outside stays text."""
    shown = batch("show", aside.batch.batch_id[:8])
    assert shown.exit_code == 0
    for words in (
        "web-2 cpu: fail",
        "zero_guard: 10 of 10 points zero",
        "in quarantine",
        "/setpoint/batches/setpoint.web/",
    ):
        assert words in shown.stdout
    assert "\x1b[31m" not in shown.stdout
    told = json.loads(batch("show", aside.batch.batch_id, "--json").stdout)
    assert told["report"]["verdict"] == "fail"
    assert told["page"] == f"/setpoint/batches/setpoint.web/{aside.batch.batch_id}"
    assert Path(told["files"]["parquet"]).parent.name == "quarantine"


def test_the_plot_is_an_svg_of_the_series_that_did_not_pass(batch: Any, aside: Stored, tmp_path: Path) -> None:
    """Well-formed, with a hostile name as text; another suffix is refused."""
    path = tmp_path / "batch.svg"
    assert "2 series drawn" in batch("show", aside.batch.batch_id, "--plot", str(path)).stdout
    tree = ElementTree.fromstring(path.read_text())
    titles = [one.text or "" for one in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert any("<script>alert" in one for one in titles)
    assert not [one for one in tree.iter() if one.tag.endswith("script")]
    assert batch("show", aside.batch.batch_id, "--plot", "batch.png").exit_code == 2


def test_a_replay_with_the_same_policy_differs_in_nothing(batch: Any, aside: Stored, home: Path) -> None:
    """Status 0; and nothing is written."""
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    done = batch("replay", aside.batch.batch_id, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["differs"], told["policy_changed"]) == (0, [], False)
    assert {one["action"] for one in told["decisions"]} == {"quarantine"}
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before


def test_a_replay_says_what_another_policy_would_have_made_of_it(batch: Any, aside: Stored, home: Path) -> None:
    """Zeros are allowed now: the target that read zeros would be scaled in. Status 1."""
    changed = policy_document(quality={"cpu": {"between": [0, 100], "zero_guard": False}})
    (home / "policies" / "web.yaml").write_text(yaml.safe_dump(changed))
    done = batch("replay", aside.batch.batch_id)
    assert done.exit_code == 1
    assert "changed since" in done.stdout
    assert "web-2 cpu: fail, now pass" in done.stdout
    assert "web-2: decided quarantine then, would be scale_in 4 → 3 now" in done.stdout
    assert "Nothing was changed" in done.stdout


def test_a_batch_of_the_ledger_can_be_shown_and_replayed_too(batch: Any, home: Path) -> None:
    """One that passed and was never put aside."""
    made = store_of(home / "batches", {"web-1": clean()})
    with Ledger.open(f"sqlite:///{home / 'ledger.db'}") as ledger:
        ledger.start_run("web/run-1", "web", made.batch.pulled_at, "event", False, [])
        ledger.record("batch", made.batch, run_id="web/run-1", policy="web", at=made.batch.pulled_at)
        ledger.record("report", made.report, run_id="web/run-1", policy="web", at=made.batch.pulled_at)
    told = json.loads(batch("show", made.batch.batch_id, "--json").stdout)
    assert (told["quarantined"], told["report"]["verdict"], told["run_id"]) == (False, "pass", "web/run-1")
    assert batch("replay", made.batch.batch_id).exit_code == 0


@pytest.mark.parametrize("reference", ["abcd", "../../etc", "", "no-hex!"])
def test_a_batch_that_is_not_there_is_said_to_be_gone(batch: Any, home: Path, reference: str) -> None:
    """Status 1, with the way to those that are there; nothing but the beginning of an id is looked for."""
    store_of(home / "batches", {"web-1": clean()})
    done = batch("show", reference)
    assert done.exit_code == 1
    assert "setpoint batch list" in done.stderr


def test_an_altered_case_is_not_believed(batch: Any, aside: Stored) -> None:
    """Status 3; the message names the file."""
    (case,) = Path(aside.batch.uri).parent.glob("quarantine/*.case.json")
    case.write_text('{"format": 2}')
    done = batch("show", aside.batch.batch_id)
    assert done.exit_code == 3
    assert "case.json" in done.stderr
