"""Start a policy's run at once, over Airflow's REST API.

A trigger's event waits for the triggerer's next turn (a second) and then for a run whose start SQLite rounds up to the
next whole second. A run asked for over the API waits for neither. What is started is the same run: it drains the inbox.

``SETPOINT_AIRFLOW_CONNECTION`` names the Airflow connection (type ``http``) that says where the API is and who asks:
host, port, schema, login and password; without a login the password is a token. A user who may trigger the policies'
Dags suffices. Without the variable, or while the API does not answer, the trigger's event does it as ever.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import structlog

VARIABLE = "SETPOINT_AIRFLOW_CONNECTION"
RUN_FOR = "setpoint_inbox"
"""The key of a run's conf that says it was started for what waits in the inbox, and why."""

log = structlog.get_logger("setpoint.inbox")

_TIMEOUT_SECONDS = 5.0
_REST_SECONDS = 60.0
"""How long the trigger's event is relied on after the API failed, or after a Dag was found paused."""


def started_for(conf: Mapping[str, Any] | None) -> bool:
    """Whether a run was started here, for what waits in the inbox, and not by a person."""
    return bool(conf) and RUN_FOR in (conf or {})


class RunStarter:
    """Starts runs. One for the process; safe to use from many tasks of one event loop."""

    def __init__(self, connection: str | None = None) -> None:
        self._connection = connection
        self._client: Any = None
        self._logging_in = asyncio.Lock()
        self._token: str | None = None
        self._account: tuple[str, str] | None = None
        self._rests_until = 0.0
        self._paused_until: dict[str, float] = {}

    async def start(self, policy: str, reason: str) -> bool:
        """Start a run of the policy; ``False`` when the trigger's event has to. Never raises."""
        now = time.monotonic()
        if self._connection is None or now < self._rests_until or now < self._paused_until.get(policy, 0.0):
            return False
        try:
            started = await self._post(policy, reason)
        except Exception as error:  # noqa: BLE001  # it is a short cut: whatever it meets, there is the long way round
            log.warning("no run can be started over Airflow's API", error=f"{type(error).__name__}: {error}")
            started = False
        if not started:
            self._rests_until = time.monotonic() + _REST_SECONDS
        return started

    async def paused(self, policy: str) -> bool:
        """Whether the policy's Dag is paused: runs would pile up. Asked after a run was started, not before."""
        try:
            answer = await self._send("GET", f"/api/v2/dags/{_dag(policy)}")
            paused = answer.status_code == 200 and bool(answer.json().get("is_paused"))
        except Exception:  # noqa: BLE001  # then the next wake-up asks again
            return False
        if paused:
            self._paused_until[policy] = time.monotonic() + _REST_SECONDS
        return paused

    async def _post(self, policy: str, reason: str) -> bool:
        # SQLite compares texts, and with the clock's whole seconds: only a second that is over starts at once.
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
        body = {
            "logical_date": None,
            "run_after": at.isoformat(),
            "dag_run_id": f"inbox__{datetime.now(UTC).isoformat()}_{uuid4().hex[:8]}",
            "conf": {RUN_FOR: reason},
        }
        answer = await self._send("POST", f"/api/v2/dags/{_dag(policy)}/dagRuns", body)
        if answer.status_code == 200:
            return True
        log.warning(
            "Airflow's API does not start a run", policy=policy, status=answer.status_code, answer=answer.text[:300]
        )
        return False

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        client = await self._opened()
        token = self._token or await self._log_in(None)
        for _ in range(2):
            answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code != 401 or self._account is None:
                break
            token = await self._log_in(token)  # the token has expired
        return answer

    async def _opened(self) -> Any:
        async with self._logging_in:
            if self._client is None:
                import httpx
                from airflow.sdk import Connection
                from asgiref.sync import sync_to_async

                found = await sync_to_async(Connection.get)(self._connection)
                schema, port = found.schema or "http", f":{found.port}" if found.port else ""
                if found.login:
                    self._account = (found.login, found.password or "")
                else:
                    self._token = found.password
                # trust_env: a proxy named in the environment is not for one's own Airflow.
                self._client = httpx.AsyncClient(
                    base_url=f"{schema}://{found.host}{port}", timeout=_TIMEOUT_SECONDS, trust_env=False
                )
            return self._client

    async def _log_in(self, spent: str | None) -> str:
        async with self._logging_in:
            if self._account is not None and self._token == spent:
                login, password = self._account
                answer = await self._client.post("/auth/token", json={"username": login, "password": password})
                answer.raise_for_status()
                self._token = str(answer.json()["access_token"])
            return self._token or ""


def run_starter() -> RunStarter:
    """The process's own starter, as the environment says."""
    global _ours  # one client and one token for all policies
    if _ours is None:
        _ours = RunStarter(os.environ.get(VARIABLE))
    return _ours


_ours: RunStarter | None = None


def _dag(policy: str) -> str:
    return quote(f"setpoint.{policy}", safe="")
