"""A small typed client of the control API."""

from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import BaseModel

from setpoint.lab.calls import CallRecord
from setpoint.lab.config import LabConfig
from setpoint.lab.faults import Fault, FaultKind, FaultRequest
from setpoint.lab.messages import Calls, Faults, Health, LabState, Series
from setpoint.lab.world.state import FleetState
from setpoint.lab.world.traffic import Keyframe, LoadProgramme

TIMEOUT_SECONDS = 10.0


class LabError(RuntimeError):
    """The laboratory did not do what it was asked, or could not be reached."""


class LabClient:
    """Talks to the laboratory at a URL such as `http://127.0.0.1:5055`."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        # trust_env=False: a proxy of the environment has nothing to do with a server on this machine
        self._http = httpx.Client(base_url=f"{self.url}/_lab", timeout=timeout_seconds, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def health(self) -> Health:
        """Return whether the laboratory lives."""
        return Health.model_validate_json(self._ask("GET", "/health"))

    def state(self) -> LabState:
        """Return every fleet at this moment."""
        return LabState.model_validate_json(self._ask("GET", "/state"))

    def fleet(self, name: str) -> FleetState:
        """Return one fleet at this moment.

        :raises LabError: when there is none of that name.
        """
        fleets = {state.fleet: state for state in self.state().fleets}
        if name not in fleets:
            raise LabError(f"the laboratory has no fleet {name!r}, there are: {', '.join(fleets)}")
        return fleets[name]

    def series(self, fleet: str | None = None, since: float = 0.0) -> list[FleetState]:
        """Return the recorded ticks after `since` (epoch seconds), oldest first."""
        query = {"since": str(since)} | ({} if fleet is None else {"fleet": fleet})
        return list(Series.model_validate_json(self._ask("GET", "/series", query=query)).states)

    def calls(self, since: int = 0) -> list[CallRecord]:
        """Return the mutating AWS calls after number `since`, oldest first."""
        answer = self._ask("GET", "/calls", query={"since": str(since)})
        return list(Calls.model_validate_json(answer).calls)

    def config(self) -> LabConfig:
        """Return what the laboratory is made of."""
        return LabConfig.model_validate_json(self._ask("GET", "/config"))

    def load(self, programme: LoadProgramme) -> None:
        """Make the traffic follow a programme."""
        self._ask("POST", "/load", body=programme)

    def flash_sale(
        self, fleet: str | None = None, *, factor: float = 2.5, ramp_seconds: float = 5.0, hold_seconds: float = 60.0
    ) -> None:
        """Let traffic rise to a multiple of the base, stay, and fall back to ordinary."""
        top = Keyframe(at_seconds=ramp_seconds, factor=factor)
        end = Keyframe(at_seconds=ramp_seconds + hold_seconds, factor=factor)
        back = Keyframe(at_seconds=2 * ramp_seconds + hold_seconds, factor=1.0)
        self.load(LoadProgramme(fleet=fleet, keyframes=(top, end, back), then="base"))

    def quiet(self, fleet: str | None = None, *, factor: float = 0.2, ramp_seconds: float = 5.0) -> None:
        """Let traffic fall to a share of the base and stay there."""
        frames = (Keyframe(at_seconds=ramp_seconds, factor=factor),)
        self.load(LoadProgramme(fleet=fleet, keyframes=frames))

    def ordinary(self, fleet: str | None = None) -> None:
        """Let traffic be ordinary again."""
        self._ask("DELETE", "/load", query={} if fleet is None else {"fleet": fleet})

    def add_fault(self, request: FaultRequest) -> Fault:
        """Let something go wrong; returns the fault that began."""
        return Faults.model_validate_json(self._ask("POST", "/faults", body=request)).faults[0]

    def fault(self, kind: FaultKind, fleet: str | None = None, **parameters: Any) -> Fault:
        """Let something go wrong; the parameters are those of `FaultRequest`."""
        return self.add_fault(FaultRequest(kind=kind, fleet=fleet, **parameters))

    def remove_faults(self, kind: FaultKind | None = None, fleet: str | None = None) -> list[Fault]:
        """Let it be well again; returns the faults that ended."""
        query = ({} if kind is None else {"kind": str(kind)}) | ({} if fleet is None else {"fleet": fleet})
        return list(Faults.model_validate_json(self._ask("DELETE", "/faults", query=query)).faults)

    def reset(self) -> None:
        """Begin again: no resources, no metrics, no faults, no history."""
        self._ask("POST", "/reset", body=None)

    def _ask(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: BaseModel | None = None
    ) -> bytes:
        content = None if body is None else body.model_dump_json(exclude_none=True)
        try:
            response = self._http.request(
                method, path, params=query, content=content, headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise LabError(
                f"the practice AWS at {self.url} does not answer ({error}); start it with `setpoint lab`"
            ) from error
        if response.is_error:
            raise LabError(f"{method} {self.url}/_lab{path} was refused ({response.status_code}): {response.text}")
        return response.content
