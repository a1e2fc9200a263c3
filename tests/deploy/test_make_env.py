"""Making .env for docker compose."""

import shutil
import stat
from pathlib import Path
from types import ModuleType

import pytest
from compose_file import REPOSITORY, read_dotenv
from cryptography.fernet import Fernet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    return tmp_path


def test_every_secret_is_fresh_and_the_file_is_private(folder: Path, make_env: ModuleType) -> None:
    """No value is empty, no two secrets are alike, another run would give others, and only the owner can read them."""
    assert make_env.main(folder) == 0

    example, made = (read_dotenv((folder / name).read_text()) for name in (".env.example", ".env"))
    secrets = [made[name] for name, value in example.items() if not value]
    assert all(made.values())
    assert len(set(secrets)) == len(secrets) == 7
    assert {name: made[name] for name, value in example.items() if value} == {k: v for k, v in example.items() if v}
    assert Fernet(made["AIRFLOW_FERNET_KEY"])
    assert not set(secrets) & set(read_dotenv(make_env.filled((folder / ".env.example").read_text())).values())
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_an_existing_file_is_kept(folder: Path, make_env: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run changes nothing and says so: other secrets would not fit the database any more."""
    make_env.main(folder)
    before = (folder / ".env").read_text()

    assert make_env.main(folder) == 0
    assert (folder / ".env").read_text() == before
    assert "nothing was changed" in capsys.readouterr().out


def test_an_incomplete_file_is_kept_and_the_missing_names_are_listed(
    folder: Path, make_env: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an upgrade that asks for more, the person is told what to add."""
    (folder / ".env").write_text("COMPOSE_PROFILES=\nAIRFLOW_ADMIN_PASSWORD=mine\n")

    assert make_env.main(folder) == 1
    assert (folder / ".env").read_text() == "COMPOSE_PROFILES=\nAIRFLOW_ADMIN_PASSWORD=mine\n"
    message = capsys.readouterr().err
    assert "POSTGRES_PASSWORD" in message
    assert "AIRFLOW_ADMIN_PASSWORD" not in message
