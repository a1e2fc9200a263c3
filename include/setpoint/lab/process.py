"""The laboratory as a process of its own, for tests and the demo."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from setpoint.lab.client import LabClient, LabError
from setpoint.lab.config import LabConfig, default_config
from setpoint.stack.ports import free_port

START_SECONDS = 60.0
STOP_SECONDS = 10.0
PROBE_SECONDS = 1.0


class LabStartError(RuntimeError):
    """The process did not come up."""


class LabProcess:
    """Starts `python -m setpoint.lab`, waits until it is healthy, and stops it again.

        with LabProcess() as lab:
            boto3.client("autoscaling", endpoint_url=lab.url, ...)
            lab.client.flash_sale("storefront-web")

    :param config: what the laboratory is made of, the default storefront without it.
    :param port: TCP port on 127.0.0.1; 0 takes a free one.
    :param provision: also create the groups, queues, topic and alarms of the config's fleets.
    :param log_path: where the process writes its log, a temporary file without it.
    """

    def __init__(
        self,
        config: LabConfig | None = None,
        port: int = 0,
        *,
        provision: bool = False,
        log_path: Path | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.config = config or default_config()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = LabClient(self.url)
        self._provision = provision
        self._start_seconds = start_seconds
        self._files = tempfile.TemporaryDirectory(prefix="setpoint-lab-", ignore_cleanup_errors=True)
        self.log_path = log_path or Path(self._files.name) / "lab.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and wait until it is healthy.

        :raises LabStartError: when it ends or does not become healthy in time; the message holds its log.
        """
        config_path = Path(self._files.name) / "config.json"
        config_path.write_text(self.config.model_dump_json())
        command = [sys.executable, "-m", "setpoint.lab", "--port", str(self.port), "--config", str(config_path)]
        command.append("--end-with-parent")
        if self._provision:
            command.append("--provision")
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment()
            )
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process: politely, and if that does not help, firmly."""
        process, self._process = self._process, None
        self.client.close()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
        self._files.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_seconds
        problem = "it did not answer"
        probe = LabClient(self.url, timeout_seconds=PROBE_SECONDS)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise LabStartError(self._complaint(f"it ended with status {process.returncode}"))
            try:
                health = probe.health()
            except LabError:
                time.sleep(0.05)
                continue
            if health.pid != process.pid:
                raise LabStartError(self._complaint(f"process {health.pid} answers on port {self.port} instead"))
            if health.ok:
                return
            problem = health.problem or "it is not ready"
            time.sleep(0.05)
        raise LabStartError(self._complaint(f"{problem} within {self._start_seconds:g} s"))

    def _complaint(self, what: str) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()[-20:]
        return "\n".join([f"the practice AWS did not start on {self.url}: {what}. Its log ends with:", *lines])


def _environment() -> dict[str, str]:
    """Return the environment without AWS settings that would lead the laboratory's own clients elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name != "PYTHONDONTWRITEBYTECODE"
    }
