"""One process of the stack: its command, its log, its session."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from setpoint.stack.errors import ComponentFailedError
from setpoint.stack.processes import Session, end_sessions
from setpoint.stack.watchdog import Watchdog

COMMANDS: Mapping[str, Sequence[str]] = {
    # The log servers of scheduler and triggerer listen on every interface and cannot be told otherwise. On one machine
    # they are not needed: the API server reads the files.
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
"""The ``airflow`` subcommand of each component, in starting order."""


class Component:
    """A component that was started; it lives in a session of its own and writes to ``log_file``."""

    def __init__(
        self, name: str, log_file: Path, environment: Mapping[str, str], watchdog: Watchdog, cwd: Path
    ) -> None:
        """Start the component called ``name`` in :data:`COMMANDS`.

        :param environment: its whole environment.
        :param watchdog: ends it should this process be killed.
        :param cwd: its working directory.
        """
        self.name, self.log_file = name, log_file
        with log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMMANDS[name]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
                start_new_session=True,
                umask=0o077,
            )
        self.session = Session.of(self._process.pid)
        watchdog.guard(self.session)

    @property
    def pid(self) -> int:
        """The pid of the component's main process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the main process has ended; what it started may still be there."""
        return self._process.poll() is not None

    def require_running(self) -> None:
        """:raises ComponentFailedError: if the main process has ended."""
        status = self._process.poll()
        if status is not None:
            how = f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"
            raise self.failure(how)

    def failure(self, what: str) -> ComponentFailedError:
        """Make the error that says ``what`` happened and shows the end of this start's log."""
        return ComponentFailedError(self.name, what, self.log_file, self.tail())

    def tail(self, lines: int = 25) -> str:
        """Return the last ``lines`` lines written to the log since this start."""
        with self.log_file.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(self._log_start, size - 32_768))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def signal(self, signal_number: int) -> None:
        """Send a signal to the main process only, e.g. SIGKILL to try out a crash."""
        self._process.send_signal(signal_number)

    def reap(self) -> None:
        """Wait for the main process, which has been told to end, and let the system forget it."""
        self._process.wait()

    def stop(self, *, grace_seconds: float) -> None:
        """End the component and everything it started."""
        end_sessions([self.session], grace_seconds=grace_seconds)
        self.reap()
