"""A PostgreSQL server of one's own for the length of a test, from the server programs Debian installs."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from setpoint.stack.errors import PostgresUnavailableError
from setpoint.stack.ports import LOOPBACK, free_port
from setpoint.stack.processes import Session, end_sessions
from setpoint.stack.watchdog import Watchdog

DEBIAN_FOLDER = Path("/usr/lib/postgresql")
"""Debian keeps the server programs of each major version in ``<version>/bin`` here, not on ``PATH``."""

USER = "postgres"
"""The superuser, named as PostgreSQL's own tools expect it."""

_START_DEADLINE_SECONDS = 60.0
_COMMAND_TIMEOUT_SECONDS = 120.0
_KILL_SECONDS = 10.0


def find_server_programs(debian_folder: Path = DEBIAN_FOLDER) -> Path:
    """Return the directory with ``initdb`` and ``postgres``, of the newest version installed.

    :raises PostgresUnavailableError: naming the package to install.
    """
    versions = [path for path in debian_folder.glob("*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)])
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    raise PostgresUnavailableError(
        f"PostgreSQL's server programs are not installed: no initdb in {debian_folder}/*/bin or on PATH.\n"
        "Debian and Ubuntu: `make system-packages`, or apt-get install postgresql-15."
    )


class TemporaryPostgres:
    """A server with a fresh, empty cluster, listening on a free port of 127.0.0.1 only. A context manager.

    Its one user has a generated password. Nothing is forced to the disk: the data is removed when the server stops. Run
    as root it becomes the user ``postgres`` (or ``nobody``), as PostgreSQL refuses to run as root.
    """

    def __init__(self, *, keeps_commits: bool = False) -> None:
        """Nothing is started before :meth:`start` or ``with``.

        :param keeps_commits: a commit survives :meth:`kill`, as it does on a server with default settings; without it
            the last moments before may be lost.
        """
        self.port = 0
        self._keeps_commits = keeps_commits
        self._password = secrets.token_urlsafe(16)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, database: str = "postgres", *, driver: str = "psycopg2") -> str:
        """Return the SQLAlchemy URL of ``database`` on this server."""
        return f"postgresql+{driver}://{USER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create the empty database ``name`` and return its SQLAlchemy URL.

        :param name: lower-case letters, digits and underscores.
        """
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            raise ValueError(f"{name!r} is no database name; use lower-case letters, digits and underscores")
        with self._engine().connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        return self.url(name)

    def start(self) -> None:
        """Make the cluster, start the server and wait until it accepts connections.

        :raises PostgresUnavailableError: if the programs are missing, or with the server's own words if it fails.
        """
        programs = find_server_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="setpoint-postgres-"))
        try:
            self._become_owner(self._folder)
            self._make_cluster(programs)
            self._serve(programs)
            self._wait_until_ready()
        except BaseException:  # Ctrl-C included: no server and no directory is left
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and remove its data."""
        if self._process is not None:
            if self._process.poll() is None:
                end_sessions([Session.of(self._process.pid)], grace_seconds=5)
            self._process.wait()
            self._process = None
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None
        self.port = 0

    def kill(self) -> None:
        """End every process of the server with SIGKILL, and leave its data as it is then."""
        if self._process is None:
            raise PostgresUnavailableError("the server is not running; start() it first")
        postmaster = psutil.Process(self._process.pid)
        # The server first, else it would see its children die and start new ones. They have sessions of their own.
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(processes[1:], timeout=_KILL_SECONDS)

    def restart(self) -> None:
        """Start the server again after :meth:`kill`, on the same port; it recovers what was committed.

        :raises PostgresUnavailableError: with the server's own words if it fails.
        """
        if self._watchdog is not None:
            self._watchdog.close()
        self._serve(find_server_programs())
        self._wait_until_ready()

    def _make_cluster(self, programs: Path) -> None:
        password_file = self._path("password")
        password_file.write_text(self._password)
        self._become_owner(password_file)
        command: list[str | Path] = [
            programs / "initdb", "--pgdata", self._path("data"), "--username", USER,
            "--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
            "--no-sync",
        ]  # fmt: skip
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_SECONDS,
            cwd=self._folder,
            check=False,
            **self._identity(),
        )
        password_file.unlink()
        if result.returncode != 0:
            raise PostgresUnavailableError(f"initdb ended with status {result.returncode}:\n{result.stderr}")

    def _serve(self, programs: Path) -> None:
        self.port = self.port or free_port()
        options = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            # The data does not outlive the server, so nothing needs to reach the disk, only the system's memory.
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "on" if self._keeps_commits else "off",
            "timezone": "UTC",
        }
        command = [str(programs / "postgres"), "-D", str(self._path("data"))]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self._path("server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                **self._identity(),
            )
        self._watchdog = Watchdog()
        self._watchdog.guard(Session.of(self._process.pid))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        while True:
            try:
                self._engine().connect().close()
                return
            except OperationalError as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() >= deadline:
                    log = self._path("server.log").read_text(errors="replace")
                    raise PostgresUnavailableError(f"PostgreSQL did not start: {error}\n{log}") from error
                time.sleep(0.05)

    def _engine(self) -> Engine:
        # CREATE DATABASE cannot run in a transaction; a pool would keep a connection that outlives the server.
        return create_engine(
            self.url(), isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args={"connect_timeout": 5}
        )

    def _path(self, name: str) -> Path:
        if self._folder is None:
            raise PostgresUnavailableError("the server is not running; start() it first")
        return self._folder / name

    @staticmethod
    def _identity() -> Mapping[str, Any]:
        """Return the arguments by which :mod:`subprocess` runs a server program as an ordinary user."""
        if os.geteuid() != 0:
            return {}
        account = _ordinary_account()
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    @staticmethod
    def _become_owner(path: Path) -> None:
        if os.geteuid() == 0:
            account = _ordinary_account()
            os.chown(path, account.pw_uid, account.pw_gid)


def _ordinary_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")  # made by Debian's package
    except KeyError:
        return pwd.getpwnam("nobody")
