"""Making a home ready, and refusing what cannot work."""

import json
import socket
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from setpoint.stack.errors import PortTakenError, UnusableHomeError
from setpoint.stack.settings import StackSettings, prepare_home


def test_a_home_and_its_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    """The directory is 0700, secrets and password file are 0600, and Airflow can read the password."""
    settings = prepare_home(tmp_path / "home")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.home.iterdir()}
    assert modes == {"secrets.json": 0o600, "passwords.json": 0o600}
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700
    passwords = json.loads(settings.passwords_file.read_text())
    assert passwords == {"admin": settings.secrets.admin_password.get_secret_value()}


def test_a_used_home_keeps_its_secrets_and_another_has_its_own(tmp_path: Path) -> None:
    """What was encrypted can be read after a restart, and no two homes share a secret."""
    first, again, other = (prepare_home(tmp_path / name).secrets for name in ("a", "a", "b"))

    assert first == again
    for name in type(first).model_fields:
        assert getattr(first, name) != getattr(other, name)


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    """Airflow's encryption accepts the generated key."""
    key = prepare_home(tmp_path).secrets.fernet_key.get_secret_value()

    assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The message names the directory, the reason and a way out."""
    (tmp_path / "file").touch()

    with pytest.raises(UnusableHomeError, match=r"file/home.*Not a directory(.|\n)*Choose a directory"):
        prepare_home(tmp_path / "file" / "home")


def test_damaged_secrets_are_not_replaced_silently(tmp_path: Path) -> None:
    """New secrets could not read the old database, so the person decides."""
    (tmp_path / "secrets.json").write_text("{half")

    with pytest.raises(UnusableHomeError, match=r"secrets\.json in it is damaged(.|\n)*Remove the directory"):
        prepare_home(tmp_path)


def test_a_taken_port_is_refused_with_its_holder(tmp_path: Path) -> None:
    """The message names the port, who holds it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(PortTakenError, match=rf"port {port} .*\(pid \d+\)(.|\n)*ask for another port"):
            prepare_home(tmp_path, api_port=port)


def test_wrong_settings_say_what_is_right(tmp_path: Path) -> None:
    """Each wrong path, variable, connection id and option is refused by name, all at once."""
    good = prepare_home(tmp_path).model_dump()

    with pytest.raises(ValidationError) as refused:
        StackSettings(
            **{
                **good,
                "home": Path("relative"),
                "variables": {"AIRFLOW__API__HOST": "0.0.0.0"},
                "connections": {"aws-default": "x"},
                "options": {"AIRFLOW__SCHEDULER__X": "1"},
            }
        )

    message = str(refused.value)
    assert "relative is relative; the components need an absolute path" in message
    assert "['AIRFLOW__API__HOST'] do not start with SETPOINT_" in message
    assert "['AIRFLOW__SCHEDULER__X'] name no Airflow option; write section.option" in message
    assert "['aws-default'] cannot be named by an environment variable" in message
