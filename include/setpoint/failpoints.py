"""Named moments at which a process can be made to stand still, so that a test can kill something just then.

Off, which is always outside such a test, :func:`reached` costs one look into the environment. On, it stops the first
process that comes to an armed point, once per arming: the next attempt goes through, as it would after a real crash.

The two sides meet in the folder that :data:`VARIABLE` names. The harness writes ``<point>@<about>.armed``; the process
that reaches the point renames it to ``.reached``, with its pid in it, and waits until the harness writes ``.go`` (or
kills it), at most as long as the arming says.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pydantic import Field

from setpoint.model.base import Value

VARIABLE = "SETPOINT_FAILPOINTS"
"""Names the folder. Set it in tests only: who may write to the folder can make tasks wait."""

MOST_SECONDS = 600.0
"""No process waits longer, whatever an arming says."""

POINTS: Mapping[str, str] = {
    "after_receive": "a message was received, nothing of it is committed",
    "after_commit": "its event is committed, the message is not deleted",
    "after_take": "the run has taken its events",
    "before_intent": "a change is about to be carried out, its intent is not written",
    "after_intent": "the intent is written, the provider was not called",
    "after_call": "the provider has answered, the result is not written",
    "after_result": "the result is written",
    "while_waiting": "the capacity is not in service yet",
    "during_observation": "the observation window has begun",
    "before_outcome": "health was measured, the outcome is not written",
    "during_rollback": "the provider has answered to the roll-back, its result is not written",
}
"""The points of the pipeline, in its order, and what each means."""

_POLL_SECONDS = 0.02


class Arrival(Value):
    """A process that stands at a point."""

    point: str
    about: str
    pid: int = Field(gt=0)


class Failpoint:
    """The harness's side of one point.

    :param folder: the folder :data:`VARIABLE` names.
    :param point: one of :data:`POINTS`.
    :param about: what the point is about: the policy's name, or the queue's for the points before any policy is known.
    """

    def __init__(self, folder: Path, point: str, about: str) -> None:
        self.point, self.about = point, about
        self._stem = _stem(folder, point, about)

    def arm(self, *, at_most_seconds: float = 120.0) -> Self:
        """Stop the next process that comes here, for so long at most."""
        for suffix in (".armed", ".reached", ".go"):
            self._path(suffix).unlink(missing_ok=True)
        _write(self._path(".armed"), json.dumps({"at_most_seconds": min(at_most_seconds, MOST_SECONDS)}))
        return self

    def arrival(self) -> Arrival | None:
        """The process that stands, or stood, here; ``None`` until one has come."""
        try:
            pid = int(self._path(".reached").read_text())
        except (FileNotFoundError, ValueError):  # not renamed yet, or the pid is being written
            return None
        return Arrival(point=self.point, about=self.about, pid=pid)

    def let_go(self) -> None:
        """Let whoever stands here go on, and stop nobody any more."""
        self._path(".armed").unlink(missing_ok=True)
        self._path(".go").touch()

    def _path(self, suffix: str) -> Path:
        return Path(f"{self._stem}{suffix}")


def reached(point: str, about: str) -> None:
    """Say that this process has come to a point; stand still there when a test has armed it.

    :param point: one of :data:`POINTS`.
    :param about: what it is about: a policy's name, or a queue's.
    :raises ValueError: there is no such point. Only raised when failpoints are on.
    """
    folder = os.environ.get(VARIABLE)
    if folder:
        _stand(Path(folder), point, about)


def _stand(folder: Path, point: str, about: str) -> None:
    stem = _stem(folder, point, about)
    armed, here, go = (Path(f"{stem}{suffix}") for suffix in (".armed", f".{os.getpid()}", ".go"))
    try:
        armed.rename(here)  # of several processes that come at once, one succeeds
    except FileNotFoundError:
        return
    seconds = float(json.loads(here.read_text())["at_most_seconds"])
    _write(Path(f"{stem}.reached"), str(os.getpid()))
    deadline = time.monotonic() + seconds
    while not go.exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _stem(folder: Path, point: str, about: str) -> str:
    if point not in POINTS:
        raise ValueError(f"there is no failpoint {point!r}; there are {', '.join(POINTS)}")
    return str(folder / f"{point}@{quote(about, safe='')}")


def _write(path: Path, text: str) -> None:
    """Write a file that is there completely or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.write_text(text)
    draft.rename(path)
