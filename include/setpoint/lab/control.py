"""The control API under `/_lab/`: what happens in the world, and making things happen. Loopback only.

| request | answer |
|---|---|
| `GET /_lab/health` | `Health` |
| `GET /_lab/state` | `LabState` |
| `GET /_lab/series?fleet=&since=` | `Series`: recorded ticks after `since` (epoch seconds) |
| `GET /_lab/calls?since=` | `Calls`: mutating AWS calls after number `since` |
| `GET /_lab/config` | `LabConfig` |
| `POST /_lab/load` with a `LoadProgramme` | `Done` |
| `DELETE /_lab/load?fleet=` | `Done`: ordinary traffic again |
| `POST /_lab/faults` with a `FaultRequest` | `Faults`: the one that began |
| `DELETE /_lab/faults?kind=&fleet=` | `Faults`: those that ended |
| `POST /_lab/reset` | `Done`: no resources, no metrics, no faults, no history |
"""

import ipaddress
import os
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from setpoint.lab.calls import CallLog
from setpoint.lab.config import ACCOUNT_ID, REGION
from setpoint.lab.faults import FaultKind, FaultRequest
from setpoint.lab.messages import Calls, Done, Faults, Health, LabState, Problem, Series
from setpoint.lab.world.runner import WorldRunner
from setpoint.lab.world.traffic import LoadProgramme
from setpoint.lab.world.world import UnknownFleetError, World

PREFIX = "/_lab"
MAX_BODY_BYTES = 1_000_000


class ControlApi:
    """A small WSGI application."""

    def __init__(self, world: World, runner: WorldRunner, calls: CallLog) -> None:
        self._world = world
        self._runner = runner
        self._calls = calls
        self.provisioned: bool | None = None
        self.provisioning_problem: str | None = None
        self._routes = Map(
            [
                Rule(f"{PREFIX}/health", methods=["GET"], endpoint=self._health),
                Rule(f"{PREFIX}/state", methods=["GET"], endpoint=self._state),
                Rule(f"{PREFIX}/series", methods=["GET"], endpoint=self._series),
                Rule(f"{PREFIX}/calls", methods=["GET"], endpoint=self._get_calls),
                Rule(f"{PREFIX}/config", methods=["GET"], endpoint=self._config),
                Rule(f"{PREFIX}/load", methods=["POST"], endpoint=self._load),
                Rule(f"{PREFIX}/load", methods=["DELETE"], endpoint=self._no_load),
                Rule(f"{PREFIX}/faults", methods=["POST"], endpoint=self._fault),
                Rule(f"{PREFIX}/faults", methods=["DELETE"], endpoint=self._no_faults),
                Rule(f"{PREFIX}/reset", methods=["POST"], endpoint=self._reset),
            ]
        )

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = MAX_BODY_BYTES
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        refusal = _not_local(request)
        if refusal is not None:
            return _json(Problem(error=refusal), 403)
        try:
            endpoint, _ = self._routes.bind_to_environ(request.environ).match()
            return _json(endpoint(request), 200)
        except ValidationError as error:
            return _json(_explained(error), 400)
        except (UnknownFleetError, BadParameterError) as error:
            return _json(Problem(error=str(error)), 400)
        except MethodNotAllowed as error:
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return _json(Problem(error=f"{request.method} {request.path}: allowed is {allowed}"), 405)
        except NotFound:
            known = ", ".join(sorted({str(rule.rule) for rule in self._routes.iter_rules()}))
            return _json(Problem(error=f"no such path {request.path}, there are: {known}"), 404)
        except HTTPException as error:
            return _json(Problem(error=f"{error.name}: {error.description}"), error.code or 400)

    def _health(self, _: Request) -> Health:
        problem = self._runner.failure or self.provisioning_problem
        if problem is None and not self._runner.running:
            problem = "the world's thread is not running"
        return Health(
            ok=problem is None and self.provisioned is not False,
            pid=os.getpid(),
            ticks=self._world.ticks,
            region=REGION,
            account_id=ACCOUNT_ID,
            provisioned=self.provisioned,
            problem=problem,
        )

    def _state(self, _: Request) -> LabState:
        with self._world.environment.lock:
            return LabState(
                time=self._world.environment.clock.now(),
                fleets=tuple(self._world.state()),
                faults=self._world.faults(),
                mutating_calls=self._calls.total,
                mutating_calls_by_group=dict(self._calls.by_group),
            )

    def _series(self, request: Request) -> Series:
        since = _number(request, "since")
        return Series(states=tuple(self._world.series(request.args.get("fleet"), since)))

    def _get_calls(self, request: Request) -> Calls:
        with self._world.environment.lock:
            return Calls(calls=tuple(self._calls.since(int(_number(request, "since")))))

    def _config(self, _: Request) -> BaseModel:
        return self._world.environment.config

    def _load(self, request: Request) -> Done:
        self._world.command_load(LoadProgramme.model_validate_json(_body(request)))
        return Done()

    def _no_load(self, request: Request) -> Done:
        self._world.back_to_base(request.args.get("fleet"))
        return Done()

    def _fault(self, request: Request) -> Faults:
        return Faults(faults=(self._world.add_fault(FaultRequest.model_validate_json(_body(request))),))

    def _no_faults(self, request: Request) -> Faults:
        return Faults(faults=self._world.remove_faults(_kind(request), request.args.get("fleet")))

    def _reset(self, _: Request) -> Done:
        with self._world.environment.lock:
            self._world.reset()
            self._calls.clear()
            self.provisioned = None
        return Done()


class BadParameterError(ValueError):
    """A query parameter or the kind of body is wrong."""


def _not_local(request: Request) -> str | None:
    """Return why a request is refused, None when it comes from this machine and from no web page.

    The Host header is checked because a page in a browser can point a name of its own at 127.0.0.1.
    """
    for what, address in (("your address", request.remote_addr or ""), ("Host", request.host.rpartition(":")[0])):
        name = (address or request.host).strip("[]")
        if name == "localhost":
            continue
        try:
            local = ipaddress.ip_address(name).is_loopback
        except ValueError:
            local = False
        if not local:
            return f"the control API answers this machine only (127.0.0.1, ::1, localhost), {what} is {name}"
    return None


def _body(request: Request) -> bytes:
    if request.mimetype != "application/json":
        raise BadParameterError(f"Content-Type is {request.mimetype or 'missing'}, allowed: application/json")
    return request.get_data()


def _number(request: Request, name: str) -> float:
    text = request.args.get(name, "0")
    try:
        return float(text)
    except ValueError as error:
        raise BadParameterError(f"{name}={text!r} is not a number") from error


def _kind(request: Request) -> FaultKind | None:
    text = request.args.get("kind")
    if text is None:
        return None
    try:
        return FaultKind(text)
    except ValueError as error:
        raise BadParameterError(f"kind={text!r} is no fault, allowed: {', '.join(FaultKind)}") from error


def _explained(error: ValidationError) -> Problem:
    problems = tuple(
        {"path": ".".join(map(str, one["loc"])), "problem": one["msg"], "value": one["input"]}
        for one in error.errors(include_url=False, include_context=False)
    )
    where = ", ".join(dict.fromkeys(str(one["path"]) or "the body" for one in problems))
    return Problem(error=f"{len(problems)} problem(s) in {where}", problems=problems)


def _json(model: BaseModel, status: int) -> Response:
    return Response(model.model_dump_json(), status=status, mimetype="application/json")
