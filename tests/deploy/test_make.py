"""The Makefile, and the set-up script where it cannot go on."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from compose_file import REPOSITORY

from setpoint.stack.ports import free_port


def run(*command: str, cwd: Path = REPOSITORY, **variables: str) -> subprocess.CompletedProcess[str]:
    # A make above this test hands its own flags down; they are not what is tested.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PIP_", "UV_"))
    }
    environment = {**inherited, "PIP_CONFIG_FILE": "/dev/null", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=280)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What set-up needs of a fresh clone."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


def test_help_is_what_make_does_by_default_and_lists_every_target() -> None:
    """A newcomer who types `make` sees each target with a sentence."""
    targets = re.findall(r"^\.PHONY: (\S+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)

    listed = {line.split()[0] for line in re.sub(r"\x1b\[\d+m", "", run("make").stdout).splitlines()}

    assert set(targets) - {"test-parallel", "test-live"} <= listed
    assert listed <= set(targets)


def test_arguments_reach_the_demo() -> None:
    """`make demo ARGS=--exit` runs `setpoint demo --exit` after set-up."""
    plan = run("make", "--dry-run", "demo", "ARGS=--exit").stdout.split("\n")

    assert [line.strip() for line in plan if line] == ["scripts/setup.sh", ".venv/bin/setpoint demo --exit"]


def test_bytecode_is_written_whatever_the_shell_says(checkout: Path) -> None:
    """PYTHONDONTWRITEBYTECODE does not reach what make starts."""
    with (checkout / "Makefile").open("a") as makefile:
        makefile.write("\nshow:\n\t@env\n")

    shown = run("make", "show", cwd=checkout, PYTHONDONTWRITEBYTECODE="1").stdout

    assert "PATH=" in shown
    assert "PYTHONDONTWRITEBYTECODE" not in shown


def test_an_unfit_python_is_refused_with_what_is_needed(checkout: Path) -> None:
    """The message says which Python was found, and which are right."""
    old = checkout / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)

    result = run("make", "setup", f"PYTHON={old}", cwd=checkout)

    assert result.returncode != 0
    assert "is Python 3.9.2; Setpoint needs Python 3.11, 3.12, 3.13 or 3.14" in result.stderr
    assert not (checkout / ".venv").exists()


def test_a_half_built_environment_is_rebuilt_and_without_network_there_is_a_way_out(checkout: Path) -> None:
    """What an interrupted set-up left is noticed and not built upon; one that cannot fetch says how to do without."""
    leftover = checkout / ".venv" / "lib" / "half-a-package.py"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    nowhere = f"http://127.0.0.1:{free_port()}/simple"

    result = run("make", "setup", cwd=checkout, PIP_INDEX_URL=nowhere, PIP_RETRIES="0", PIP_NO_CACHE_DIR="1")

    assert result.returncode != 0
    assert ".venv is unfinished" in result.stdout
    assert not leftover.exists()
    assert "the packages could not be fetched" in result.stderr
    assert "PIP_NO_INDEX=1 PIP_FIND_LINKS=" in result.stderr
