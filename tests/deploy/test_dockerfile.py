"""The Dockerfile and what is sent to the builder."""

import fnmatch
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()

COPIED = sorted(
    {
        source
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
)


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_exists_and_is_sent_to_the_builder(source: str) -> None:
    """Each source is in the checkout, and .dockerignore lets it through."""
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert (REPOSITORY / source).exists()
    assert any(source == path or source.startswith(f"{path}/") for path in allowed)


@pytest.mark.parametrize("private", [".env", ".git", ".venv", ".setpoint", "tests"])
def test_nothing_private_is_sent_to_the_builder(private: str) -> None:
    """Everything is excluded first; secrets, history and local state are not let back in."""
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    assert patterns[0] == "*"
    assert not [
        pattern for pattern in patterns[1:] if pattern.startswith("!") and fnmatch.fnmatch(private, pattern[1:])
    ]


def test_the_image_is_pinned_and_does_not_run_as_root() -> None:
    """Every stage starts from one tagged Python, and the last USER is an ordinary one."""
    bases = [line.split()[1] for line in INSTRUCTIONS if line.startswith("FROM ")]
    users = [line.split()[1] for line in INSTRUCTIONS if line.startswith("USER ")]

    assert set(bases) == {"python:3.11-slim-bookworm"}
    assert users[-1] == "setpoint"


def test_packages_are_installed_by_hash_and_compiled() -> None:
    """What is installed from an index is checked against the lock, and bytecode is written when the image is built."""
    installs = [line for line in INSTRUCTIONS if "requirements.lock" in line and line.startswith("RUN")]

    assert len(installs) == 1
    assert installs[0].count("--require-hashes") == 2
    assert "--compile-bytecode -r requirements.lock" in installs[0]
