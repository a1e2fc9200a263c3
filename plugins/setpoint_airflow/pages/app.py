"""``GET /setpoint/batches/...``: what the gate made of a batch, for those who may read its policy's Dag in Airflow.

A plugin's routes are open to everybody unless they ask. Each of these asks Airflow's own auth manager: who is it (by
the session's cookie or a bearer token), and may they read this Dag's data. A browser without a session is sent to the
login.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import quote

import anyio.to_thread
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from anyio import CapacityLimiter
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from setpoint.evidence.address import PREFIX
from setpoint.evidence.page import content_security_policy
from setpoint_airflow.pages.desk import Answer, Desk

THREADS = 4
"""Pages that are read, or built, at once; Airflow's own requests have other threads."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}

_MAY_READ = Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.XCOM))

T = TypeVar("T")


def readable_dags(user: GetUserDep) -> set[str]:
    """The Dags that whoever asks may read."""
    return set(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


def pages_app(desk: Desk) -> FastAPI:
    """The pages as an application of its own; Airflow mounts it at ``/setpoint/batches``."""
    app = FastAPI(title="Setpoint's batches", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    limiter: list[CapacityLimiter] = []

    async def in_thread(work: Callable[[], T]) -> T:
        if not limiter:  # made here, because it belongs to the running loop
            limiter.append(CapacityLimiter(THREADS))
        return await anyio.to_thread.run_sync(work, limiter=limiter[0])

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.UNAUTHORIZED and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{_root(request)}/api/v2/auth/login?next={quote(request.url.path, safe='/')}")
        return _page(desk.refusal(HTTPStatus(error.status_code), str(error.detail)))

    @app.get("/")
    async def quarantine(dags: Annotated[set[str], Depends(readable_dags)]) -> Response:
        return _page(await in_thread(lambda: desk.quarantine(dags)))

    @app.get("/{dag_id}/runs/{run_id:path}", dependencies=[_MAY_READ])
    async def batch_of_run(request: Request, dag_id: str, run_id: str) -> Response:
        found = await in_thread(lambda: desk.page_of_run(dag_id, run_id))
        if isinstance(found, Answer):
            return _page(found)
        # To the batch's own address, which may be sent to somebody, and from which a page's links are reckoned.
        return RedirectResponse(_root(request) + found, status_code=int(HTTPStatus.SEE_OTHER), headers=HEADERS)

    @app.get("/{dag_id}/", dependencies=[_MAY_READ])
    async def batches(dag_id: str) -> Response:
        return _page(await in_thread(lambda: desk.batches(dag_id)))

    @app.get("/{dag_id}/{batch_id}", dependencies=[_MAY_READ])
    async def batch(dag_id: str, batch_id: str) -> Response:
        return _page(await in_thread(lambda: desk.page(dag_id, batch_id)))

    return app


def _root(request: Request) -> str:
    """The path that a proxy has Airflow below; empty as a rule."""
    return str(request.scope.get("root_path", "")).removesuffix(PREFIX)


def _page(answer: Answer) -> Response:
    headers = {**HEADERS, "Content-Security-Policy": content_security_policy(answer.content)}
    if answer.retry_seconds is not None:
        headers["Retry-After"] = str(answer.retry_seconds)
    return HTMLResponse(answer.content, status_code=int(answer.status), headers=headers)
