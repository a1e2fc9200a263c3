"""The command as a whole: help, exit codes, colour, start."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from setpoint.cli.main import COMMANDS

ANSI = re.compile(r"\x1b\[")


def test_help_lists_every_command(run) -> None:
    """A newcomer sees all there is."""
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert re.search(rf"^\W*{name}\b", result.stdout, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_json(run, name: str) -> None:
    """Each says what it does, shows how, and can speak to programs."""
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"setpoint {name}" in result.stdout
    assert "Examples:" in result.stdout
    assert "--json" in result.stdout


def test_help_loads_nothing_heavy() -> None:
    """Asking for help must not wait for Airflow, boto3, pandas or Great Expectations."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom setpoint.cli.main import app\n"
        "result = CliRunner().invoke(app, ['--help'])\nassert result.exit_code == 0, result.output\n"
        "heavy = {'airflow', 'boto3', 'botocore', 'pandas', 'great_expectations', 'sqlalchemy', 'moto', 'matplotlib'}\n"
        "print(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("arguments", [["nonsense"], ["validate", "--nonsense"], ["plan"], ["validate", "/nowhere"]])
def test_wrong_usage_is_exit_status_2(shell, arguments: list[str]) -> None:
    """And it says what is wrong on standard error, leaving standard output alone."""
    done = shell(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr


def test_a_misspelt_command_gets_a_suggestion(shell) -> None:
    """The likely one is named."""
    assert "validate" in shell("valdiate").stderr


def test_the_version_is_told(run) -> None:
    """For bug reports."""
    assert run("--version").stdout.startswith("setpoint ")


@pytest.mark.parametrize("arguments", [["--help"], ["validate"], ["validate", "--help"]])
@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, {"GITHUB_ACTIONS": "true"}])
def test_a_file_gets_no_colour(shell, arguments: list[str], variables: dict[str, str]) -> None:
    """What is redirected is plain text, also where a CI says it has colours, and when NO_COLOR is set."""
    done = shell(*arguments, **variables)
    assert done.returncode == 0
    assert not ANSI.search(done.stdout + done.stderr)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colour_unless_it_says_no(tmp_path: Path, variables: dict[str, str], coloured: bool) -> None:
    """On a real pseudo-terminal, NO_COLOR (https://no-color.org) turns colours off; styles such as bold may stay."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    output = _on_a_terminal(["validate"], {**environment, "TERM": "xterm-256color", **variables})
    assert bool(re.search(r"\x1b\[(?:\d+;)*3\dm", output)) is coloured
    assert "no problem" in output


def _on_a_terminal(arguments: list[str], environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "setpoint.cli.main", *arguments]
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        chunks = []
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end of a pseudo-terminal is gone
                break
            if not chunk:
                break
            chunks.append(chunk)
        assert process.wait(timeout=60) == 0
    os.close(ours)
    return b"".join(chunks).decode()


def test_policy_names_complete(shell) -> None:
    """The shell offers the policies there are; asked the way bash asks typer."""
    done = shell(_SETPOINT_COMPLETE="complete_bash", COMP_WORDS="setpoint plan storefront-", COMP_CWORD="2")
    assert done.stdout.split() == ["storefront-api", "storefront-batch", "storefront-web"]
