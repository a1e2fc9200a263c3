"""A real Prometheus from Debian's package, with a history of its own making and an exporter to scrape."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from setpoint.stack.ports import LOOPBACK, free_port
from setpoint.stack.processes import Session, end_sessions
from setpoint.stack.watchdog import Watchdog

USER, PASSWORD = "setpoint", "test"
_PASSWORD_HASH = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"
_START_DEADLINE_SECONDS = 60.0
SCRAPE_SECONDS = 0.2


class Exporter:
    """What Prometheus scrapes: whatever text it is told to show."""

    def __init__(self) -> None:
        self.text = ""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = exporter.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Keep the test's output to itself."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.address = f"{LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class RealPrometheus:
    """The server, on an ephemeral port of the loopback, behind basic authentication.

    :param folder: an empty folder for its data.
    :param history: lines of OpenMetrics, with times, that it knows from the start.
    :param scraped: the exporter's address.
    """

    def __init__(self, folder: Path, history: Iterable[str], scraped: str) -> None:
        self._folder = folder
        self._history = "".join(f"{line}\n" for line in (*history, "# EOF"))
        self._scraped = scraped
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None
        self.url = ""

    def __enter__(self) -> Self:
        for program in ("prometheus", "promtool"):
            if shutil.which(program) is None:
                raise RuntimeError(f"{program} is not installed: `make system-packages`, or apt-get install prometheus")
        try:
            self._write()
            self._serve()
            self._wait_until_ready()
        except BaseException:  # Ctrl-C included: no server is left
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                end_sessions([Session.of(self._process.pid)], grace_seconds=5)
            self._process.wait()
        if self._watchdog is not None:
            self._watchdog.close()

    def _write(self) -> None:
        scrape = {"job_name": "exporter", "static_configs": [{"targets": [self._scraped]}]}
        interval = f"{SCRAPE_SECONDS * 1000:.0f}ms"
        config = {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": [scrape]}
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self._folder / "web.yml").write_text(yaml.safe_dump({"basic_auth_users": {USER: _PASSWORD_HASH}}))
        (self._folder / "history.om").write_text(self._history)
        made = subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.om", "data"],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"promtool: {made.stdout}{made.stderr}")

    def _serve(self) -> None:
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        options = {
            "config.file": "prometheus.yml",
            "web.config.file": "web.yml",
            "web.listen-address": f"{LOOPBACK}:{port}",
            "storage.tsdb.path": "data",
            "storage.tsdb.retention.time": "100y",
        }
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["prometheus", *(f"--{name}={value}" for name, value in options.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        self._watchdog = Watchdog()
        self._watchdog.guard(Session.of(self._process.pid))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        with httpx.Client(auth=(USER, PASSWORD), timeout=5, trust_env=False) as client:
            while True:
                try:
                    if client.get(f"{self.url}/-/ready").is_success:
                        return
                except httpx.TransportError:
                    pass
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Prometheus did not start:\n{(self._folder / 'server.log').read_text()}")
                time.sleep(0.05)
