"""What the demo, the live tests and the benchmarks ask of Airflow's REST API (``/api/v2``)."""

import time
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from setpoint.stack.errors import ApiError, StackError
from setpoint.stack.settings import ADMIN

T = TypeVar("T")
Json = dict[str, Any]

FINISHED_RUN_STATES = frozenset({"success", "failed"})
_PAGE = 100  # [api] maximum_page_limit
_POLL_SECONDS = 0.2


class StackTimeoutError(StackError):
    """Something that was waited for did not happen in time."""


class StackClient:
    """A client that is logged in as the stack's admin. A context manager; safe to use from one thread at a time."""

    def __init__(self, url: str, *, password: str | None, timeout_seconds: float = 30.0) -> None:
        """:param url: e.g. ``http://127.0.0.1:8080``.

        :param password: of the user ``admin``; ``None`` for a stack where everybody is an administrator.
        """
        # trust_env: a proxy named in the shell is not for loopback.
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=False)
        self._password = password

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> Json:
        """Return the health report of the components; needs no login."""
        return self._decoded(self._send("GET", "/api/v2/monitor/health"))

    def execution_health(self) -> Json:
        """Return whether the API that tasks report to answers.

        Its first request builds the application for every version of the API: six seconds in which no task can start.
        """
        return self._decoded(self._send("GET", "/execution/health"))

    # -- Dags ----------------------------------------------------------------------------------------------------

    def dag_ids(self) -> list[str]:
        """Return the ids of all active Dags, sorted."""
        return sorted(dag["dag_id"] for dag in self._pages("/api/v2/dags", "dags"))

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        """Let a Dag run, or with ``paused=True`` stop it from being scheduled."""
        self.call("PATCH", f"/api/v2/dags/{_quoted(dag_id)}", json={"is_paused": paused})

    def import_errors(self) -> dict[str, str]:
        """Return the stack trace by file for every Dag file that could not be imported."""
        errors = self._pages("/api/v2/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in errors}

    def wait_for_dags(self, dag_ids: Collection[str], *, deadline_seconds: float = 90) -> None:
        """Wait until the Dag processor has brought in all of ``dag_ids``.

        :raises StackTimeoutError: naming the missing Dags and the files that could not be imported.
        """
        wanted = set(dag_ids)

        def complete() -> bool:
            return wanted <= set(self.dag_ids())

        try:
            wait_until(complete, what="the Dags", deadline_seconds=deadline_seconds)
        except StackTimeoutError:
            missing = sorted(wanted - set(self.dag_ids()))
            broken = "\n\n".join(f"{file}:\n{trace}" for file, trace in self.import_errors().items())
            raise StackTimeoutError(
                f"after {deadline_seconds:g} s Airflow does not know the Dags {missing}; "
                f"{'Dag files that cannot be imported:' if broken else 'no Dag file failed to import.'}\n{broken}"
            ) from None

    # -- runs ----------------------------------------------------------------------------------------------------

    def trigger(
        self, dag_id: str, *, conf: Mapping[str, Any] | None = None, run_id: str | None = None, note: str | None = None
    ) -> Json:
        """Start a run and return it.

        :param conf: the values of the trigger form.
        :param run_id: makes the call idempotent: a second one with the same id is refused with status 409.
        """
        body = {"logical_date": None, "conf": dict(conf or {}), "dag_run_id": run_id, "note": note}
        given = {name: value for name, value in body.items() if value is not None or name == "logical_date"}
        return self.call("POST", f"{_dag(dag_id)}/dagRuns", json=given)

    def run(self, dag_id: str, run_id: str) -> Json:
        """Return one run."""
        return self.call("GET", _run(dag_id, run_id))

    def runs(self, dag_id: str, *, limit: int = 25) -> list[Json]:
        """Return the newest ``limit`` (at most 100) runs of a Dag, newest first."""
        answer = self.call("GET", f"{_dag(dag_id)}/dagRuns", params={"limit": limit, "order_by": "-run_after"})
        return list(answer["dag_runs"])

    def wait_for_run(self, dag_id: str, run_id: str, *, deadline_seconds: float = 120) -> Json:
        """Wait until a run has succeeded or failed, and return it.

        :raises StackTimeoutError: with the state of each task.
        """

        def finished() -> Json | None:
            run = self.run(dag_id, run_id)
            return run if run["state"] in FINISHED_RUN_STATES else None

        try:
            return wait_until(finished, what=f"run {run_id}", deadline_seconds=deadline_seconds)
        except StackTimeoutError as error:
            states = {task["task_id"]: task["state"] for task in self.task_instances(dag_id, run_id)}
            raise StackTimeoutError(f"{error}; its tasks: {states}") from None

    def task_instances(self, dag_id: str, run_id: str) -> list[Json]:
        """Return the task instances of a run, mapped ones each by itself."""
        return self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")

    def xcom(self, dag_id: str, run_id: str, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value a task left under ``key``.

        :raises ApiError: with status 404 if it left none.
        """
        path = f"{_run(dag_id, run_id)}/taskInstances/{_quoted(task_id)}/xcomEntries/{_quoted(key)}"
        return self.call("GET", path, params={"map_index": map_index, "deserialize": True})["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
        """Return what an attempt of a task logged, a line an event."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_quoted(task_id)}/logs/{try_number}"
        content = self.call("GET", path, params={"map_index": map_index, "full_content": True})["content"]
        return "\n".join(line if isinstance(line, str) else line["event"] for line in content)

    # -- assets --------------------------------------------------------------------------------------------------

    def post_asset_event(self, name: str, *, extra: Mapping[str, Any] | None = None) -> Json:
        """Record an event of the asset called ``name``, which starts the Dags that wait for it.

        :raises StackError: if no active asset has exactly this name.
        """
        named = self._pages("/api/v2/assets", "assets", params={"name_pattern": name})
        found = [asset["id"] for asset in named if asset["name"] == name]
        if not found:
            known = sorted(asset["name"] for asset in self._pages("/api/v2/assets", "assets"))
            raise StackError(f"there is no asset {name!r}; the assets of this Airflow are {known}")
        return self.call("POST", "/api/v2/assets/events", json={"asset_id": found[0], "extra": dict(extra or {})})

    # -- requests ------------------------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> Json:
        """Send any request as the admin, logging in when needed, and return the decoded answer (``{}`` for none).

        :raises ApiError: if the answer is an error, with the API's own words.
        """
        return self._decoded(self._as_admin(method, path, json=json, params=params))

    def page(self, path: str) -> str:
        """Return a page for people, such as a plugin's.

        :raises ApiError: it was not answered with status 200.
        """
        answer = self._as_admin("GET", path)
        if answer.status_code != httpx.codes.OK:
            raise ApiError("GET", path, answer.status_code, _detail(answer))
        return answer.text

    def _as_admin(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        if "Authorization" not in self._http.headers:
            self._log_in()
        answer = self._send(method, path, json=json, params=params)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # the token has expired, or the stack has new secrets
            self._log_in()
            answer = self._send(method, path, json=json, params=params)
        return answer

    def _log_in(self) -> None:
        if self._password is None:
            answer = self._send("GET", "/auth/token")
        else:
            answer = self._send("POST", "/auth/token", json={"username": ADMIN, "password": self._password})
        self._http.headers["Authorization"] = f"Bearer {self._decoded(answer)['access_token']}"

    def _send(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=json, params=params)
        except httpx.HTTPError as error:
            raise ApiError(method, path, None, str(error) or type(error).__name__) from error

    def _decoded(self, answer: httpx.Response) -> Json:
        if answer.is_error:
            raise ApiError(answer.request.method, answer.request.url.path, answer.status_code, _detail(answer))
        return answer.json() if answer.content else {}

    def _pages(self, path: str, key: str, *, params: Mapping[str, Any] | None = None) -> list[Json]:
        items: list[Json] = []
        while True:
            answer = self.call("GET", path, params={**(params or {}), "limit": _PAGE, "offset": len(items)})
            items += answer[key]
            if not answer[key] or len(items) >= answer["total_entries"]:
                return items


def wait_until(
    condition: Callable[[], T | None], *, what: str, deadline_seconds: float, poll_seconds: float = _POLL_SECONDS
) -> T:
    """Ask ``condition`` again and again until it returns something true, and return that.

    :param what: what is waited for, for the message.
    :raises StackTimeoutError: if it has not after ``deadline_seconds``.
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        if result := condition():
            return result
        if time.monotonic() >= deadline:
            raise StackTimeoutError(f"waited {deadline_seconds:g} s for {what} in vain")
        time.sleep(poll_seconds)


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]
    return detail if isinstance(detail, str) else str(detail)


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _dag(dag_id: str) -> str:
    return f"/api/v2/dags/{_quoted(dag_id)}"


def _run(dag_id: str, run_id: str) -> str:
    return f"{_dag(dag_id)}/dagRuns/{_quoted(run_id)}"
