"""Ending everything a process started, also when the one who should have done it is gone."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from setpoint.stack.client import wait_until
from setpoint.stack.processes import Session, end_sessions

STUBBORN_FAMILY = r"""
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setpgid(0, 0)          # as the processes of Airflow's tasks do
    os.write(1, b"%d\n" % os.getpid())  # one write, or the lines of the two may mix
    time.sleep(600)
"""

PARENT_OF_A_GUARDED_FAMILY = f"""
    import subprocess, sys
    from setpoint.stack.processes import Session
    from setpoint.stack.watchdog import Watchdog
    watchdog = Watchdog()
    family = subprocess.Popen([sys.executable, "-c", {textwrap.dedent(STUBBORN_FAMILY)!r}], start_new_session=True)
    watchdog.guard(Session.of(family.pid))
    family.wait()
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    process = start(STUBBORN_FAMILY, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def start(program: str, **options: bool) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, **options
    )


def read_pids(process: subprocess.Popen[str], count: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


def test_a_session_ends_whole_however_stubborn(family: subprocess.Popen[str]) -> None:
    """A child in another process group goes too, and ignoring SIGTERM does not help."""
    pids = read_pids(family, 2)
    session = Session.of(family.pid)
    assert sorted(session.members()) == sorted(pids)

    end_sessions([session], grace_seconds=0.2)

    assert session.members() == []


def test_a_later_process_with_the_same_number_is_left_alone(family: subprocess.Popen[str]) -> None:
    """A session that ended long ago has no members, even when its number is in use again."""
    read_pids(family, 2)
    earlier = Session(family.pid, psutil.Process(family.pid).create_time() - 3600)

    end_sessions([earlier], grace_seconds=0.2)

    assert earlier.members() == []
    assert family.poll() is None


def test_what_a_killed_process_started_ends_with_it(tmp_path: Path) -> None:
    """After SIGKILL, which runs no clean-up, the watchdog ends the guarded session and then itself."""
    parent = start(PARENT_OF_A_GUARDED_FAMILY)
    pids = read_pids(parent, 2)
    watchdog = [child.pid for child in psutil.Process(parent.pid).children() if child.pid not in pids]
    assert len(watchdog) == 1

    parent.kill()
    parent.wait()

    everybody = [*pids, *watchdog]
    wait_until(
        lambda: not [pid for pid in everybody if psutil.pid_exists(pid)],
        what="the orphans' end",
        deadline_seconds=30,
    )
