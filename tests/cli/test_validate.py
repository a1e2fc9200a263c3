"""``setpoint validate`` and ``setpoint schema``."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from setpoint.policy.jsonschema import SCHEMA_FILE, policy_schema

GOOD = (Path(__file__).resolve().parents[2] / "include" / "policies" / "storefront-web.yaml").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One valid policy, one with two mistakes, one that is no YAML."""
    (tmp_path / "storefront-web.yaml").write_text(GOOD)
    broken = (
        GOOD.replace("above: 70", "above: hot").replace("min: 2", "mni: 2").replace("name: storefront-web", "name: b")
    )
    (tmp_path / "broken.yaml").write_text(broken)
    (tmp_path / "syntax.yaml").write_text("a: [")
    return tmp_path


def test_the_projects_own_policies_are_valid(run) -> None:
    """Without arguments the policies of the deployment are checked."""
    result = run("validate")
    assert result.exit_code == 0
    assert "storefront-web" in result.stdout
    assert "no problem" in result.stdout


def test_every_problem_of_every_file_is_listed(run, folder: Path) -> None:
    """All at once, each on one line that begins with file, line and column; exit status 1."""
    result = run("validate", str(folder))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    line_of = {name: broken_line(folder / "broken.yaml", name) for name in ("above: hot", "mni: 2")}
    assert any(
        line.startswith(f"{folder}/broken.yaml:{line_of['above: hot']}:") and "scale.out.above" in line
        for line in lines
    )
    assert any(
        line.startswith(f"{folder}/broken.yaml:{line_of['mni: 2']}:") and "did you mean min?" in line for line in lines
    )
    assert any(line.startswith(f"{folder}/syntax.yaml:1:") for line in lines)
    assert any(line.startswith("ok ") and "storefront-web.yaml" in line for line in lines)
    assert "3 problems in 2 of them" in lines[-1]


def broken_line(path: Path, text: str) -> int:
    """The line a text stands on, counted from 1."""
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_json_has_the_same(run, folder: Path) -> None:
    """One entry a file, with every problem's place, value and what is allowed."""
    result = run("validate", "--json", str(folder))
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["valid"] is False
    files = {Path(one["file"]).name: one for one in told["files"]}
    assert set(files) == {"storefront-web.yaml", "broken.yaml", "syntax.yaml"}
    assert files["storefront-web.yaml"]["policy"] == "storefront-web"
    problem = next(one for one in files["broken.yaml"]["problems"] if one["path"] == "scale.out.above")
    assert (problem["value"], problem["message"]) == ('"hot"', "must be a number")


def test_single_files_can_be_named(run, folder: Path) -> None:
    """Only these are checked; two of them with one name collide."""
    assert run("validate", str(folder / "storefront-web.yaml")).exit_code == 0
    twin = folder / "twin.yaml"
    twin.write_text(GOOD)
    result = run("validate", str(twin), str(folder / "storefront-web.yaml"))
    assert result.exit_code == 1
    assert "has this name already" in result.stdout


def test_nothing_to_check_is_no_success(run, tmp_path: Path) -> None:
    """A pipeline that checks the wrong folder must notice."""
    result = run("validate", str(tmp_path))
    assert result.exit_code == 1
    assert "no policy file" in result.stderr


def test_a_missing_folder_of_policies_is_the_surroundings_fault(shell, tmp_path: Path) -> None:
    """Exit status 3, with the variable to set; as JSON on request."""
    done = shell("validate", SETPOINT_POLICIES=str(tmp_path / "nowhere"))
    assert done.returncode == 3
    assert "SETPOINT_POLICIES" in done.stderr
    done = shell("validate", "--json", SETPOINT_POLICIES=str(tmp_path / "nowhere"))
    assert json.loads(done.stdout)["error"]["exit_code"] == done.returncode == 3


def test_the_schema_is_printed_as_it_is_checked_in(run) -> None:
    """And it is a JSON schema."""
    printed = run("schema").stdout
    assert printed == SCHEMA_FILE.read_text()
    jsonschema.Draft202012Validator.check_schema(json.loads(printed))


def test_writing_the_schema_says_whether_it_had_anything_to_do(run, monkeypatch, tmp_path: Path) -> None:
    """``--write`` makes the file, and leaves one that is up to date as it is."""
    copy = tmp_path / "made" / "policy.schema.json"
    monkeypatch.setattr("setpoint.policy.jsonschema.SCHEMA_FILE", copy)
    told = [json.loads(run("schema", "--write", "--json").stdout) for _ in range(2)]
    assert told == [{"file": str(copy), "changed": True}, {"file": str(copy), "changed": False}]
    assert json.loads(copy.read_text()) == policy_schema()
