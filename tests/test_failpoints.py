"""Standing still at a named moment, and not at all outside a test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from setpoint import failpoints
from setpoint.failpoints import POINTS, VARIABLE, Failpoint, reached
from setpoint.stack.client import wait_until

REPOSITORY = Path(__file__).resolve().parents[1]
STAND = "from setpoint.failpoints import reached; reached('after_intent', 'web'); print('went on')"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Failpoints are on, nothing is armed."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def standing(folder: Path) -> Iterator[tuple[Failpoint, subprocess.Popen[str]]]:
    """A process that stands at an armed point."""
    point = Failpoint(folder, "after_intent", "web").arm()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "include")}
    with subprocess.Popen([sys.executable, "-c", STAND], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_until(point.arrival, what="the arrival", deadline_seconds=60)
            yield point, process
        finally:
            process.kill()


def test_nothing_happens_outside_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable not even an armed point stops anybody, and no file is looked at."""
    Failpoint(tmp_path, "after_intent", "web").arm()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(failpoints, "Path", None)

    reached("after_intent", "web")


def test_a_point_that_is_not_armed_stops_nobody(folder: Path) -> None:
    """Neither the same point of another policy nor another point of the same policy is taken for it."""
    other = [Failpoint(folder, "after_call", "web").arm(), Failpoint(folder, "after_intent", "web/2").arm()]

    reached("after_intent", "web")

    assert [one.arrival() for one in other] == [None, None]


def test_the_first_process_stands_until_it_is_let_go(standing: tuple[Failpoint, subprocess.Popen[str]]) -> None:
    """It says who it is and waits; let go, it goes on as if nothing had been."""
    point, process = standing
    arrival = point.arrival()
    assert arrival is not None
    assert (arrival.pid, arrival.point, arrival.about) == (process.pid, "after_intent", "web")
    assert process.poll() is None

    point.let_go()

    assert process.communicate(timeout=60)[0] == "went on\n"


def test_the_second_process_goes_through(standing: tuple[Failpoint, subprocess.Popen[str]]) -> None:
    """A point stops once for each arming, so the attempt after a crash is not stopped again."""
    point, process = standing

    reached("after_intent", "web")

    assert process.poll() is None
    assert point.arrival() is not None


def test_waiting_is_bounded(folder: Path) -> None:
    """A harness that died leaves no task standing for ever."""
    Failpoint(folder, "after_intent", "web").arm(at_most_seconds=0.1)
    began = time.monotonic()

    reached("after_intent", "web")

    assert time.monotonic() - began >= 0.1
    assert Failpoint(folder, "after_intent", "web").arm(at_most_seconds=1e9) is not None
    assert '"at_most_seconds": 600.0' in next(folder.glob("*.armed")).read_text()


def test_an_unknown_point_is_refused(folder: Path) -> None:
    """A misspelt point would never stop anybody, and its test would prove nothing."""
    with pytest.raises(ValueError, match="there is no failpoint 'after_inent'; there are after_receive, "):
        Failpoint(folder, "after_inent", "web")
    with pytest.raises(ValueError, match="there is no failpoint 'after_inent'"):
        reached("after_inent", "web")


def test_every_point_is_in_the_pipeline() -> None:
    """Each named point is called somewhere in the source, and no call names another."""
    sources = [*(REPOSITORY / "include/setpoint").rglob("*.py"), *(REPOSITORY / "plugins").rglob("*.py")]
    called = {
        name
        for path in sources
        if path.name != "failpoints.py"
        for call in re.findall(r"\breached\(([^)]*)", path.read_text())
        for name in re.findall(r'"([a-z_]+)"', call)
    }
    assert called == set(POINTS)
