"""The stack as one thing: started, watched, stopped."""

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from setpoint.model import Value
from setpoint.stack.client import StackClient
from setpoint.stack.component import COMMANDS, Component
from setpoint.stack.environment import airflow_environment, inherited_environment
from setpoint.stack.errors import ApiError, ComponentFailedError, StackError, UnusableHomeError
from setpoint.stack.health import healthy_components
from setpoint.stack.ports import require_free
from setpoint.stack.processes import end_sessions
from setpoint.stack.python_environment import require_whole_environment
from setpoint.stack.settings import StackSettings
from setpoint.stack.watchdog import Watchdog

START_DEADLINE_SECONDS = 240.0
"""Two cores need half a minute, and when they are busy with other work several times that."""

STOP_GRACE_SECONDS = 8.0
"""How long components get to end by themselves. The scheduler would wait for its running tasks for ever."""

_MIGRATE_TIMEOUT_SECONDS = 180.0
_POLL_SECONDS = 0.25


class Progress(Value):
    """One step of a start or stop, as it happens."""

    part: str
    """``database``, or a component."""
    state: Literal["starting", "ready", "stopping", "stopped"]


class LocalStack:
    """A real Airflow: database, API server, scheduler with LocalExecutor, Dag processor, triggerer.

    A context manager that starts on entering and stops on leaving. ::

        stopped --start()--> starting --all healthy--> running --stop()--> stopped
                                 |                                            ^
                                 +-- a component ends, or the deadline -------+  (StackError)

    However this process ends, nothing of the stack is left behind: :meth:`stop` ends every process of every component,
    and a :class:`~setpoint.stack.watchdog.Watchdog` does so when this process is killed.
    """

    def __init__(self, settings: StackSettings, *, on_progress: Callable[[Progress], None] | None = None) -> None:
        """:param on_progress: called with each step, from the thread that starts or stops."""
        self.settings = settings
        self.components: dict[str, Component] = {}
        self._report = on_progress or (lambda progress: None)
        self._resources = contextlib.ExitStack()
        self._watchdog: Watchdog | None = None
        self._environment = inherited_environment(os.environ) | airflow_environment(settings)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, deadline_seconds: float = START_DEADLINE_SECONDS) -> None:
        """Migrate the database, start every component and wait until all are healthy.

        On any failure everything that was started is stopped again.

        :raises StackError: saying what failed, with the end of the log where there is one.
        """
        if self._watchdog is not None:
            raise StackError("this stack is running already; stop it first")
        require_whole_environment()
        require_free(self.settings.api_port, "API server")
        began = datetime.now(UTC)
        try:
            lock = self._resources.enter_context(_exclusive_use(self.settings.home))
            self._watchdog = self._resources.enter_context(Watchdog(keep_open=lock.fileno()))
            self._migrate()
            for name in COMMANDS:
                self.start_component(name)
            self.wait_healthy(since=began, deadline_seconds=deadline_seconds)
            with self.client() as client:
                client.execution_health()  # builds what the first task would otherwise wait for
        except BaseException:  # Ctrl-C included: half a stack is of no use to anybody
            self.stop()
            raise

    def start_component(self, name: str) -> None:
        """Start one component, e.g. after :meth:`Component.stop` of it; does not wait for its health."""
        if self._watchdog is None:
            raise StackError("the stack is not running; start() it, which starts all components")
        if (earlier := self.components.get(name)) is not None and earlier.session.members():
            raise StackError(f"the {name} is running already (pid {earlier.pid}); stop it first")
        self._report(Progress(part=name, state="starting"))
        log_file = self.settings.logs_folder / f"{name}.log"
        self.components[name] = Component(name, log_file, self._environment, self._watchdog, cwd=self.settings.home)

    def wait_healthy(self, *, since: datetime, deadline_seconds: float = START_DEADLINE_SECONDS) -> None:
        """Wait until every component has reported itself healthy later than ``since``.

        :raises ComponentFailedError: if one ends meanwhile, or is not healthy after ``deadline_seconds``.
        """
        deadline = time.monotonic() + deadline_seconds
        healthy: set[str] = set()
        with self.client() as client:
            while True:
                for component in self.components.values():
                    component.require_running()
                now_healthy = _healthy(client, since)
                for name in (name for name in COMMANDS if name in now_healthy - healthy):
                    self._report(Progress(part=name, state="ready"))
                healthy |= now_healthy
                missing = [name for name in self.components if name not in healthy]
                if not missing:
                    return
                if time.monotonic() >= deadline:
                    raise self.components[missing[0]].failure(f"was not healthy after {deadline_seconds:g} s")
                time.sleep(_POLL_SECONDS)

    def require_running(self) -> None:
        """:raises ComponentFailedError: if a component has ended since the start."""
        for component in self.components.values():
            component.require_running()

    def stop(self) -> None:
        """End every process of the stack and wait until none is left. Does nothing on a stopped stack."""
        if self.components:
            self._report(Progress(part="airflow", state="stopping"))
        sessions = [component.session for component in self.components.values()]
        end_sessions(sessions, grace_seconds=STOP_GRACE_SECONDS)
        for component in self.components.values():
            component.reap()
        if self.components:
            self._report(Progress(part="airflow", state="stopped"))
        self.components = {}
        self._watchdog = None
        self._resources.close()

    def client(self) -> StackClient:
        """Return a new client that is logged in as the stack's admin at its first request."""
        settings = self.settings
        password = None if settings.all_admins else settings.secrets.admin_password.get_secret_value()
        return StackClient(settings.api_url, password=password)

    def airflow(self, *arguments: str, timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run an ``airflow`` subcommand with the stack's settings and return its status, output and errors."""
        return subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self._environment,
            cwd=self.settings.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def _migrate(self) -> None:
        self._report(Progress(part="database", state="starting"))
        self.settings.logs_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file = self.settings.logs_folder / "db-migrate.log"
        result = self.airflow("db", "migrate", timeout_seconds=_MIGRATE_TIMEOUT_SECONDS)
        log_file.write_text(result.stdout + result.stderr)
        if result.returncode != 0:
            tail = "\n".join(log_file.read_text().splitlines()[-25:])
            raise ComponentFailedError("database migration", f"ended with status {result.returncode}", log_file, tail)
        self._report(Progress(part="database", state="ready"))


def _healthy(client: StackClient, since: datetime) -> set[str]:
    try:
        return healthy_components(client.health(), since=since)
    except ApiError:
        return set()  # the API server is not listening yet; whether it still runs is looked at by the caller


@contextlib.contextmanager
def _exclusive_use(home: Path) -> Iterator[IO[str]]:
    """Hold ``<home>/stack.lock`` for as long as anything of this stack may be alive."""
    with (home / "stack.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise UnusableHomeError(
                home,
                f"another stack is using it (pid {lock.read().strip() or 'unknown'})",
                "Stop that one first (Ctrl-C where it runs), or choose another directory.",
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock
