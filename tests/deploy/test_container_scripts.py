"""The programs that run inside the containers, run here for real."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from compose_file import REPOSITORY, load_script
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import OperationalError

from setpoint.stack.ports import free_port
from setpoint.stack.postgres import USER, TemporaryPostgres, find_server_programs

CONTAINER = REPOSITORY / "scripts" / "container"


@pytest.mark.postgres
def test_the_first_start_makes_databases_and_password(
    tmp_path: Path, compose: dict[str, Any], dotenv: dict[str, str]
) -> None:
    """On an empty server: two databases, each for its owner alone; the set-up job fills both, and may run again."""
    with TemporaryPostgres() as server:
        superuser = make_url(server.url())
        subprocess.run(
            [CONTAINER / "create-databases.sh"],
            env={
                "PATH": f"{find_server_programs()}:{os.environ['PATH']}",
                "PGHOST": "127.0.0.1",
                "PGPORT": str(server.port),
                "PGPASSWORD": str(superuser.password),
                "POSTGRES_USER": USER,
                **{name: dotenv[name] for name in ("AIRFLOW_DB_PASSWORD", "LEDGER_DB_PASSWORD")},
            },
            check=True,
            capture_output=True,
        )
        owners = {"airflow": dotenv["AIRFLOW_DB_PASSWORD"], "setpoint": dotenv["LEDGER_DB_PASSWORD"]}
        for user, password in owners.items():
            for database in owners:
                url = superuser.set(username=user, password=password, database=database)
                engine = create_engine(url)
                if user == database:
                    engine.connect().close()
                else:
                    with pytest.raises(OperationalError, match="permission denied"):
                        engine.connect()
                engine.dispose()

        for _ in range(2):
            result = subprocess.run(
                [sys.executable, CONTAINER / "set_up.py"],
                env=on_this_machine(compose["services"]["set-up"]["environment"], tmp_path, server.port),
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 0, result.stderr
        tables = {}
        for user, password in owners.items():
            engine = create_engine(superuser.set(username=user, password=password, database=user))
            tables[user] = set(inspect(engine).get_table_names())
            engine.dispose()

    assert "dag_run" in tables["airflow"]
    assert tables["setpoint"]
    assert not tables["setpoint"] & {"dag_run", "task_instance"}
    passwords = tmp_path / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": dotenv["AIRFLOW_ADMIN_PASSWORD"]}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def on_this_machine(environment: dict[str, str], folder: Path, port: int) -> dict[str, str]:
    """Return a service's environment with the container's addresses and paths replaced by this test's."""
    replacements = {
        "@postgres:5432": f"@127.0.0.1:{port}",
        "/opt/setpoint": str(REPOSITORY),
        "/opt/airflow/auth": str(folder),
        "/opt/airflow": str(folder),
    }
    moved = dict(environment)
    for name in moved:
        for old, new in replacements.items():
            moved[name] = moved[name].replace(old, new)
    image = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "no-dags"),
        "PATH": os.environ["PATH"],
    }
    return {**image, **moved}


class Api(BaseHTTPRequestHandler):
    """Answers as the API server does, with a scheduler at work and a triggerer that is not."""

    def do_GET(self) -> None:
        answer = {
            "/execution/health": {"status": "healthy"},
            "/api/v2/monitor/health": {
                "metadatabase": {"status": "healthy"},
                "scheduler": {"status": "healthy"},
                "triggerer": {"status": "unhealthy"},
                "dag_processor": {"status": None},
            },
        }[self.path]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def api() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("service", "status", "said"),
    [
        ("api-server", 0, "api-server: healthy"),
        ("scheduler", 0, "scheduler: healthy"),
        ("triggerer", 1, "triggerer: unhealthy"),
        ("dag-processor", 1, "dag-processor: None"),
    ],
)
def test_a_service_is_healthy_when_it_says_so(
    service: str, status: int, said: str, api: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check repeats what the API server knows about the component, and ends accordingly."""
    healthy = load_script("container/healthy.py")
    monkeypatch.setattr(healthy, "_API", api)
    monkeypatch.setattr(healthy, "_OWN_API", api)

    assert healthy.main([service]) == status
    assert capsys.readouterr().out.strip() == said


def test_a_service_without_an_answer_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody listens the status is 1, with the reason."""
    healthy = load_script("container/healthy.py")
    monkeypatch.setattr(healthy, "_LAB", f"http://127.0.0.1:{free_port()}")

    assert healthy.main(["lab"]) == 1
    assert "lab: no answer" in capsys.readouterr().out
