"""The API client, against a small HTTP server that answers as Airflow does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from setpoint.stack.client import StackClient, StackTimeoutError, wait_until
from setpoint.stack.errors import ApiError, StackError
from setpoint.stack.ports import free_port


class Airflow(BaseHTTPRequestHandler):
    """Accepts the newest token it gave out; every third request finds it expired."""

    tokens = 0
    requests = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            if body != {"username": "admin", "password": "right"}:
                return self._answer(401, {"detail": "Invalid credentials"})
            type(self).tokens += 1
            return self._answer(201, {"access_token": f"token-{self.tokens}"})
        if not self._authorized():
            return self._answer(401, {"detail": "Invalid JWT token"})
        return self._answer(409, {"detail": f"run {body['dag_run_id']} exists"})

    def do_GET(self) -> None:
        if not self._authorized():
            return self._answer(401, {"detail": "Invalid JWT token"})
        url = urlsplit(self.path)
        offset = int(parse_qs(url.query)["offset"][0])
        dags = [{"dag_id": f"dag-{number}"} for number in range(250)]
        if url.path == "/api/v2/assets":
            assets = [{"id": 1, "name": "known-too"}][offset:]
            return self._answer(200, {"assets": assets, "total_entries": 1})
        return self._answer(200, {"dags": dags[offset : offset + 100], "total_entries": len(dags)})

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""

    def _authorized(self) -> bool:
        type(self).requests += 1
        expired = self.requests % 3 == 0
        return not expired and self.headers["Authorization"] == f"Bearer token-{self.tokens}"

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    Airflow.tokens = Airflow.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Airflow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_lists_are_read_to_their_end_across_an_expired_token(url: str) -> None:
    """All pages are fetched, and a token that expires half-way is renewed without the caller noticing."""
    with StackClient(url, password="right") as client:
        assert len(client.dag_ids()) == 250

    assert Airflow.tokens == 2


def test_an_error_says_what_airflow_said(url: str) -> None:
    """Method, path, status and detail are in the message, and the status can be asked for."""
    with StackClient(url, password="right") as client, pytest.raises(ApiError) as refused:
        client.trigger("a dag", run_id="r1")

    assert refused.value.status == 409
    assert str(refused.value) == "POST /api/v2/dags/a dag/dagRuns answered 409: run r1 exists"


def test_a_wrong_password_is_an_error_and_not_a_loop(url: str) -> None:
    """Logging in fails once, with Airflow's words."""
    with StackClient(url, password="wrong") as client, pytest.raises(ApiError, match="401: Invalid credentials"):
        client.dag_ids()


def test_no_answer_is_an_error_of_its_own() -> None:
    """Where nobody listens there is no status, and the message says so."""
    with (
        StackClient(f"http://127.0.0.1:{free_port()}", password=None) as client,
        pytest.raises(ApiError, match="GET /api/v2/monitor/health did not answer") as refused,
    ):
        client.health()

    assert refused.value.status is None


def test_an_unknown_asset_is_refused_with_the_known_ones(url: str) -> None:
    """A name that merely resembles another does not get its event."""
    with StackClient(url, password="right") as client, pytest.raises(StackError, match=r"'known'.*\['known-too'\]"):
        client.post_asset_event("known")


def test_waiting_ends_with_the_first_true_answer() -> None:
    """The condition is asked until it holds, and what it returned is returned."""
    answers = iter([None, 0, "here"])

    assert wait_until(lambda: next(answers), what="x", deadline_seconds=30, poll_seconds=0) == "here"


def test_waiting_in_vain_says_for_what_and_how_long() -> None:
    """A deadline that passes is an error that names what was waited for."""
    with pytest.raises(StackTimeoutError, match=r"waited 0 s for the rain in vain"):
        wait_until(lambda: None, what="the rain", deadline_seconds=0)
