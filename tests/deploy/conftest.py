"""A filled-in .env and the Compose file read with it."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the helper module beside this file

from compose_file import REPOSITORY, load_script, loaded, read_dotenv


@pytest.fixture(scope="session")
def make_env() -> ModuleType:
    return load_script("make_env.py")


@pytest.fixture(scope="session")
def dotenv(make_env: ModuleType) -> dict[str, str]:
    """The variables of a freshly made .env."""
    return read_dotenv(make_env.filled((REPOSITORY / ".env.example").read_text()))


@pytest.fixture(scope="session")
def compose(dotenv: dict[str, str]) -> dict[str, Any]:
    """The Compose file as it runs with a freshly made .env."""
    return loaded(dotenv)
