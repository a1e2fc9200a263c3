"""What ``setpoint doctor`` says of Airflow's settings and of the room for batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from setpoint.cli.checks.airflow import check_address, known_address
from setpoint.cli.checks.airflow_settings import check_settings
from setpoint.cli.checks.batches import check_batches

GOOD = {
    ("api", "host"): "127.0.0.1",
    ("core", "fernet_key"): "s3cret",
    ("core", "dags_are_paused_at_creation"): "False",
    ("core", "max_map_length"): "1024",
    ("core", "simple_auth_manager_all_admins"): "False",
    ("core", "mp_start_method"): "fork",
    ("scheduler", "scheduler_idle_sleep_time"): "0.05",
    ("database", "sql_alchemy_conn"): "postgresql://airflow:s3cret@db/airflow",
}


def found(**changed: str) -> dict[str, tuple[str, str]]:
    """Status and words by the setting, with some set otherwise: ``found(api__host="0.0.0.0")``."""
    values = GOOD | {tuple(name.split("__")): value for name, value in changed.items()}
    results = check_settings(lambda section, option: values[section, option])
    return {one.check: (one.status.value, one.text) for one in results}


def test_good_settings_are_fine_and_no_secret_is_shown() -> None:
    """Neither a key nor a database URL with its password."""
    results = {name: one for name, one in found().items() if name != "airflow preload"}
    assert {status for status, _ in results.values()} == {"ok"}
    assert not any("s3cret" in words for _, words in results.values())


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"api__host": "0.0.0.0"}, "warn"),
        ({"core__fernet_key": ""}, "warn"),
        ({"core__dags_are_paused_at_creation": "True"}, "warn"),
        ({"core__max_map_length": "8"}, "warn"),
        ({"core__max_map_length": "many"}, "fail"),
        ({"scheduler__scheduler_idle_sleep_time": "1"}, "warn"),
        ({"database__sql_alchemy_conn": "sqlite:////airflow.db"}, "warn"),
        ({"core__simple_auth_manager_all_admins": "True"}, "warn"),
    ],
)
def test_each_setting_that_hurts_is_told(changed: dict[str, str], status: str) -> None:
    """That one, and no other."""
    name = next(iter(changed))
    section, option = name.split("__")
    results = {check: one for check, (one, _) in found(**changed).items() if check != "airflow preload"}
    assert results.pop(f"airflow [{section}] {option}") == status
    assert set(results.values()) == {"ok"}


def test_everybody_an_administrator_on_an_open_port_fails() -> None:
    """On the loopback interface it is a warning."""
    told = found(core__simple_auth_manager_all_admins="True", api__host="10.0.0.7")
    assert told["airflow [core] simple_auth_manager_all_admins"][0] == "fail"


def test_tasks_that_import_anew_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preloading is off, or config/ is on nobody's path, or all is well."""
    config = Path(__file__).resolve().parents[2] / "config"
    monkeypatch.setattr("sys.path", [str(config)])
    assert found()["airflow preload"] == ("ok", str(config / "airflow_local_settings.py"))
    monkeypatch.setenv("SETPOINT_PRELOAD", "0")
    assert found()["airflow preload"][0] == "warn"
    monkeypatch.delenv("SETPOINT_PRELOAD")
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "airflow_local_settings", raising=False)
    assert found()["airflow preload"][0] == "warn"


def test_no_address_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one nothing is asked, and that is said; Airflow's own settings name one."""
    monkeypatch.delenv("AIRFLOW__API__BASE_URL", raising=False)
    monkeypatch.delenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", raising=False)
    (result,) = check_address(None)
    assert (result.status, "--airflow-url" in result.todo) == ("warn", True)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:9/execution/")
    assert known_address() == "http://127.0.0.1:9"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:10/airflow")
    assert known_address() == "http://127.0.0.1:10/airflow"


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a policy's batches, with one that was pulled a day ago."""
    monkeypatch.setenv("SETPOINT_DATA", str(tmp_path))
    pulled_at = datetime.now(UTC) - timedelta(days=1)
    path = tmp_path / "batches" / "web" / f"{pulled_at:%Y%m%dT%H%M%SZ}-{7:032x}.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 2_000)
    return path


def test_batches_are_counted_and_left_alone(batches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is past its time is told, not deleted."""
    assert (check_batches().status, "1 files" in check_batches().text) == ("ok", True)
    monkeypatch.setenv("SETPOINT_KEEP_BATCHES", "6h")
    assert "1 of them past their time" in check_batches().text
    assert batches.exists()


def test_too_little_room_is_a_warning(batches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too young to be deleted fills the disk."""
    now = datetime.now(UTC)
    batches.rename(batches.with_name(f"{now:%Y%m%dT%H%M%SZ}-{7:032x}.parquet"))
    monkeypatch.setenv("SETPOINT_KEEP_BATCHES_GB", "0.000001")
    assert (check_batches().status, "over the limit" in check_batches().text) == ("warn", True)


def test_a_retention_that_cannot_be_meant_fails(batches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named."""
    monkeypatch.setenv("SETPOINT_KEEP_BATCHES", "soon")
    assert (check_batches().status, "SETPOINT_KEEP_BATCHES is 'soon'" in check_batches().text) == ("fail", True)
