"""Starting runs over Airflow's REST API, against a real HTTP server that answers as Airflow does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from setpoint_airflow.run_starter import RunStarter, started_for


class FakeAirflow(ThreadingHTTPServer):
    """What Airflow's API answers: a token, a run, whether a Dag is paused."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: list[dict[str, Any]] = []
        self.tokens = 0
        self.spent: set[str] = set()
        self.status = 200
        self.paused = False


class _Handler(BaseHTTPRequestHandler):
    server: FakeAirflow

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            self.server.tokens += 1
            known = body == {"username": "setpoint", "password": "secret"}
            self._answer(201 if known else 401, {"access_token": f"token-{self.server.tokens}"})
        elif self.headers["Authorization"].removeprefix("Bearer ") in self.server.spent:
            self._answer(401, {})
        else:
            self.server.runs.append({"path": self.path, **body})
            self._answer(self.server.status, {"dag_run_id": body["dag_run_id"]})

    def do_GET(self) -> None:
        self._answer(200, {"is_paused": self.server.paused})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    """A server, and the connection that names it."""
    with FakeAirflow() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        monkeypatch.setenv("AIRFLOW_CONN_OWN_API", f"http://setpoint:secret@127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join(10)


def test_a_run_is_started_for_the_inbox_at_a_second_that_is_over(airflow: FakeAirflow) -> None:
    """SQLite compares whole seconds as texts, so only a moment before the current second starts at once."""
    assert asyncio.run(RunStarter("own_api").start("web", "event"))

    (run,) = airflow.runs
    at = datetime.fromisoformat(run["run_after"])
    assert run["path"] == "/api/v2/dags/setpoint.web/dagRuns"
    assert run["logical_date"] is None
    assert at.microsecond == 0
    assert at < datetime.now(UTC).replace(microsecond=0)
    assert started_for(run["conf"])
    assert not started_for({"reason": "a person asked"})
    assert not started_for(None)


def test_each_run_has_an_id_of_its_own_and_one_login_serves_all(airflow: FakeAirflow) -> None:
    """Two policies woken by one message are two runs, and one login."""

    async def both() -> list[bool]:
        starter = RunStarter("own_api")
        return list(await asyncio.gather(starter.start("web", "event"), starter.start("api", "event")))

    assert asyncio.run(both()) == [True, True]
    assert len({run["dag_run_id"] for run in airflow.runs}) == 2
    assert airflow.tokens == 1


def test_an_expired_token_is_renewed_once(airflow: FakeAirflow) -> None:
    """Airflow's tokens last a day; the triggerer lives longer."""

    async def twice() -> list[bool]:
        starter = RunStarter("own_api")
        first = await starter.start("web", "event")
        airflow.spent.add("token-1")
        return [first, await starter.start("web", "event")]

    assert asyncio.run(twice()) == [True, True]
    assert airflow.tokens == 2


@pytest.mark.parametrize("status", [404, 409, 500])
def test_what_the_api_refuses_the_triggers_event_does(airflow: FakeAirflow, status: int) -> None:
    """A run that was not started is never reported as started, and the API is left alone for a while."""

    async def twice() -> list[bool]:
        starter = RunStarter("own_api")
        return [await starter.start("web", "event"), await starter.start("web", "event")]

    airflow.status = status

    assert asyncio.run(twice()) == [False, False]
    assert len(airflow.runs) == 1


def test_without_a_connection_or_an_api_the_triggers_event_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is required: no connection named, one that does not exist, and nobody at its address."""
    monkeypatch.setenv("AIRFLOW_CONN_NOBODY", "http://setpoint:secret@127.0.0.1:9")

    for starter in (RunStarter(None), RunStarter("not_there"), RunStarter("nobody")):
        assert not asyncio.run(starter.start("web", "event"))


def test_runs_do_not_pile_up_in_front_of_a_paused_dag(airflow: FakeAirflow) -> None:
    """Once a Dag was found paused, the trigger's event is relied on: Airflow drops that while the Dag is paused."""

    async def twice() -> list[bool]:
        starter = RunStarter("own_api")
        first = await starter.start("web", "event")
        return [
            first,
            await starter.paused("web"),
            await starter.start("web", "event"),
            await starter.start("api", "event"),
        ]

    airflow.paused = True

    assert asyncio.run(twice()) == [True, True, False, True]
