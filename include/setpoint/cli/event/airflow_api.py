"""Airflow's REST API, as far as sending an event needs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from setpoint.cli.event.ways import Sent, Way
from setpoint.cli.output import CommandError, ExitCode

if TYPE_CHECKING:
    import httpx

TOKEN, USER, PASSWORD = "SETPOINT_AIRFLOW_TOKEN", "SETPOINT_AIRFLOW_USER", "SETPOINT_AIRFLOW_PASSWORD"
TIMEOUT_SECONDS = 30


def to_airflow(policy: str, conf: dict[str, Any], message_id: str, airflow_url: str | None) -> Sent:
    """Start a run of the policy's Dag, as the trigger form does. A second call with the same id starts no second run.

    Logs in with a token (``SETPOINT_AIRFLOW_TOKEN``), or a name and a password (``SETPOINT_AIRFLOW_USER``,
    ``SETPOINT_AIRFLOW_PASSWORD``), or as nobody, where Airflow lets everybody in.

    :raises CommandError: Airflow does not answer, or refuses.
    """
    import httpx

    if airflow_url is None:
        raise CommandError("--via airflow needs --airflow-url, the address of the API server", ExitCode.USAGE)
    dag, url = f"setpoint.{policy}", airflow_url.rstrip("/")
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as http:
            headers = {"Authorization": f"Bearer {_token(http)}"}
            body = {"dag_run_id": message_id, "logical_date": None, "conf": conf}
            answer = http.post(f"/api/v2/dags/{dag}/dagRuns", json=body, headers=headers)
    except httpx.HTTPError as error:
        raise CommandError(f"{url}: {str(error) or type(error).__name__}", ExitCode.ENVIRONMENT) from error
    if answer.status_code == httpx.codes.CONFLICT:
        return Sent(Way.AIRFLOW, url, message_id, f"{url}/dags/{dag}/runs/{message_id}", "duplicate")
    _require_success(answer, f"start a run of {dag}")
    return Sent(Way.AIRFLOW, url, message_id, f"{url}/dags/{dag}/runs/{message_id}")


def _token(http: httpx.Client) -> str:
    if token := os.environ.get(TOKEN):
        return token
    if name := os.environ.get(USER):
        answer = http.post("/auth/token", json={"username": name, "password": os.environ.get(PASSWORD, "")})
    else:
        answer = http.get("/auth/token")
    _require_success(answer, f"log in; set {TOKEN}, or {USER} and {PASSWORD}")
    return str(answer.json()["access_token"])


def _require_success(answer: httpx.Response, what: str) -> None:
    if answer.is_success:
        return
    try:
        detail = answer.json().get("detail")
    except ValueError:
        detail = answer.text[:300]
    code = ExitCode.NO if answer.status_code in (400, 404, 422) else ExitCode.ENVIRONMENT
    raise CommandError(f"Airflow answers {answer.status_code} to the request to {what}: {detail}", code)
